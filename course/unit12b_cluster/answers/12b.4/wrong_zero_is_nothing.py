# outcome: FAIL
# stage: p50
# message: the p50 is
def latency(records, run):
    found = []
    for record in records:
        tick = json.loads(record.value)
        if tick["run"] == run and record.timestamp > tick["sent"]:
            found.append(record.timestamp - tick["sent"])
    if not found:
        return None
    found.sort()
    return found[-(-len(found) * 50 // 100) - 1], found[-(-len(found) * 99 // 100) - 1]
