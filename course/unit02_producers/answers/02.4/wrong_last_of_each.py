# outcome: FAIL
# stage: new ticks
# message: In several of one symbol
def new_ticks(ticks, seen):
    newest = {}
    for tick in ticks:
        symbol = tick["symbol"]
        if symbol not in seen or tick["event_time"] > seen[symbol]:
            newest[symbol] = tick
            seen[symbol] = tick["event_time"]
    return list(newest.values())
