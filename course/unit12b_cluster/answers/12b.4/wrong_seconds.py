# outcome: FAIL
# stage: latencies that were measured
# message: gave 0.007
import json
import math


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None
    return found[-(-len(found) * 50 // 100) - 1] / 1000, found[-(-len(found) * 99 // 100) - 1] / 1000
