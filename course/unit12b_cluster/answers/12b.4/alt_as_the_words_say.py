import json
import math


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None

    def rank(percent):
        return min(one for one in found if sum(other <= one for other in found) >= percent * len(found) / 100)

    return rank(50), rank(99)
