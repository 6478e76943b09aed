# outcome: FAIL
# stage: remembers in `seen`
# message: your function knows BTC from calls before
memory = {}


def new_ticks(ticks, seen):
    found = []
    for tick in ticks:
        if tick["symbol"] not in memory or tick["event_time"] > memory[tick["symbol"]]:
            memory[tick["symbol"]] = tick["event_time"]
            found.append(tick)
    return found
