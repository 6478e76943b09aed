# outcome: FAIL
# stage: p50
# message: the p50 is
def latency(records, run):
    found = [r.timestamp - json.loads(r.value)["sent"] for r in records if json.loads(r.value)["run"] == run]
    if not found:
        return None
    return found[-(-len(found) * 50 // 100) - 1], found[-(-len(found) * 99 // 100) - 1]
