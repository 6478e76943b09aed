# outcome: FAIL
# stage: latencies that were measured
# message: gave -
def latency(records, run):
    found = sorted(json.loads(r.value)["sent"] - r.timestamp for r in records if json.loads(r.value)["run"] == run)
    if not found:
        return None
    return found[-(-len(found) * 50 // 100) - 1], found[-(-len(found) * 99 // 100) - 1]
