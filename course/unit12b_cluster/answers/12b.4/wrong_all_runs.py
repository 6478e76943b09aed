# outcome: FAIL
# stage: latencies that were measured
# message: which no record of this run took
def latency(records, run):
    found = sorted(r.timestamp - json.loads(r.value)["sent"] for r in records)
    if not found:
        return None
    return found[-(-len(found) * 50 // 100) - 1], found[-(-len(found) * 99 // 100) - 1]
