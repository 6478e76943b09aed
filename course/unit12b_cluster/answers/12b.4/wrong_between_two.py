# outcome: FAIL
# stage: latencies that were measured
# message: which no record of this run took
import json
import statistics


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None
    return statistics.median(found), found[-(-len(found) * 99 // 100) - 1]
