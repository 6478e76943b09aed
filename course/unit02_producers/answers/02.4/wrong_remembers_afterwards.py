# outcome: FAIL
# stage: no old ticks
# message: Several of one symbol
def new_ticks(ticks, seen):
    found = [tick for tick in ticks if tick["symbol"] not in seen or tick["event_time"] > seen[tick["symbol"]]]
    for tick in found:
        seen[tick["symbol"]] = tick["event_time"]
    return found
