import json
import math


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None
    return tuple(found[math.ceil(len(found) * percent / 100) - 1] for percent in (50, 99))
