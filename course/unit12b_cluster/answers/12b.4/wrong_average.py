# outcome: FAIL
# stage: latencies that were measured
# message: 10.5
import json
import math


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None
    return sum(found) / len(found), found[math.ceil(len(found) * 0.99) - 1]
