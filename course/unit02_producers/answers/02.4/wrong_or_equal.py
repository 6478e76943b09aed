# outcome: FAIL
# stage: no old ticks
# message: The same answer again
def new_ticks(ticks, seen):
    found = []
    for tick in ticks:
        symbol, moment = tick["symbol"], tick["event_time"]
        if symbol not in seen or moment >= seen[symbol]:
            seen[symbol] = moment
            found.append(tick)
    return found
