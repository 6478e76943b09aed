# outcome: FAIL
# stage: new ticks
# message: In one symbol moved
def new_ticks(ticks, seen):
    found = []
    for tick in ticks:
        if seen.get(tick["symbol"]) != tick["price"]:
            seen[tick["symbol"]] = tick["price"]
            found.append(tick)
    return found
