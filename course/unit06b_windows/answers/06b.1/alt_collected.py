def candles(ticks, width):
    tick = F.sort_array(F.collect_list(F.struct("event_time", "kafka_offset", "price", "size")))
    return (
        ticks.groupBy("symbol", "currency", F.window("event_time", width))
        .agg(tick.alias("all"), F.sum("size").alias("volume"))
        .select(
            "symbol",
            "currency",
            F.col("window.start").alias("window_start"),
            F.element_at("all", 1)["price"].alias("open"),
            F.element_at("all", -1)["price"].alias("close"),
            F.array_max("all.price").alias("high"),
            F.array_min("all.price").alias("low"),
            F.size("all").alias("tick_count"),
            F.size(F.filter("all", lambda one: one["size"].isNotNull())).alias("trades"),
            F.coalesce("volume", F.lit(0)).alias("volume"),
        )
    )
