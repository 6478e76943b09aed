def new_ticks(ticks, seen):
    beginning = datetime.min.replace(tzinfo=UTC)
    fresh = []
    for tick in ticks:
        if seen.get(tick["symbol"], beginning) < tick["event_time"]:
            fresh.append(tick)
            seen.update({tick["symbol"]: tick["event_time"]})
    return fresh
