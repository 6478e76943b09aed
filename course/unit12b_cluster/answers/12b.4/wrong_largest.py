# outcome: FAIL
# stage: p99
# message: the p99 is 950
import json
import math


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None
    return found[math.ceil(len(found) / 2) - 1], found[-1]
