# outcome: FAIL
# stage: p50
# message: the p50 is 30
import json
import math


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None
    return found[-(-len(found) * 99 // 100) - 1], found[-(-len(found) * 50 // 100) - 1]
