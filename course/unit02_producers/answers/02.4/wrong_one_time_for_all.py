# outcome: FAIL
# stage: new ticks
# message: In the first poll
def new_ticks(ticks, seen):
    found = []
    for tick in ticks:
        if "last" not in seen or tick["event_time"] > seen["last"]:
            seen["last"] = tick["event_time"]
            found.append(tick)
    return found
