def gaps(engine, longest):
    names = ["asset_class", "symbol", "currency"]
    ticks = ask(engine, "SELECT * FROM ticks").sort_values("event_time").rename(columns={"event_time": "next_tick"})
    ticks["last_tick"] = ticks.groupby(names)["next_tick"].shift()
    apart = pd.to_timedelta(ticks["next_tick"] - ticks["last_tick"])
    ticks["seconds"] = apart.dt.total_seconds()
    return ticks[apart > longest][[*names, "last_tick", "next_tick", "seconds"]]
