# outcome: FAIL
# stage: p50
# message: the p50 is
import json
import math


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None
    return found[max(0, round(len(found) * 0.5) - 1)], found[round(len(found) * 0.99) - 1]
