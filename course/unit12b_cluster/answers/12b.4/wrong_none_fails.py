# outcome: ERROR
# stage: two numbers or None
# message: IndexError
import json
import math


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    return found[-(-len(found) * 50 // 100) - 1], found[-(-len(found) * 99 // 100) - 1]
