# outcome: FAIL
# stage: p50
# message: the p50 is
def latency(records, run):
    ticks = [(r, json.loads(r.value)) for r in records]
    found = sorted({r.timestamp - tick["sent"] for r, tick in ticks if tick["run"] == run})
    if not found:
        return None
    return found[-(-len(found) * 50 // 100) - 1], found[-(-len(found) * 99 // 100) - 1]
