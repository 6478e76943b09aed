def last_5_minutes(ticks):
    grouped = ticks.withWatermark("event_time", "2 minutes").groupBy(
        "symbol", F.window("event_time", "5 minutes", "1 minute", "0 seconds")
    )
    prices = grouped.agg(F.collect_set("price").alias("prices"))
    return prices.select("symbol", "window.*", "prices").select(
        "symbol",
        F.col("start").alias("window_start"),
        F.col("end").alias("window_end"),
        F.array_min("prices").alias("low"),
        F.array_max("prices").alias("high"),
    )
