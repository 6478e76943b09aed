def latest_prices(engine):
    ticks = ask(engine, "SELECT * FROM ticks").sort_values(["event_time", "kafka_offset"])
    return ticks.groupby(["asset_class", "symbol", "currency"])[["price", "event_time"]].last()
