def new_ticks(ticks, seen):
    def is_new(tick):
        last = seen.get(tick["symbol"])
        if last is not None and last["event_time"] >= tick["event_time"]:
            return False
        seen[tick["symbol"]] = tick
        return True

    return [tick for tick in ticks if is_new(tick)]
