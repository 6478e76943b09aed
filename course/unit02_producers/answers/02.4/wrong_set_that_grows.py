# outcome: FAIL
# stage: little to remember
# message: `seen` has 7 entries now
def new_ticks(ticks, seen):
    found = []
    for tick in ticks:
        place = tick["symbol"], tick["event_time"]
        if place not in seen and not any(symbol == place[0] and moment > place[1] for symbol, moment in seen):
            seen[place] = True
            found.append(tick)
    return found
