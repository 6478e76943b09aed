# outcome: FAIL
# stage: latencies that were measured
# message: which no record of this run took
import json
import statistics


def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None

    if len(found) == 1:
        return found[0], found[0]
    cuts = statistics.quantiles(found, n=100, method="inclusive")
    return cuts[49], cuts[98]
