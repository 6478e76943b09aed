# outcome: FAIL
# stage: p50
# message: % of them are no larger
import json
import math


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None
    return found[len(found) * 50 // 100], found[len(found) * 99 // 100]
