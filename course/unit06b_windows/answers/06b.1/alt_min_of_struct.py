def candles(ticks, width):
    tick = F.struct("event_time", "kafka_partition", "kafka_offset", "price")
    return (
        ticks.withColumn("window", F.window("event_time", width))
        .groupBy("window", "symbol", "currency")
        .agg(
            F.min(tick).alias("first"),
            F.max(tick).alias("last"),
            F.min("price").alias("low"),
            F.max("price").alias("high"),
            F.sum(F.coalesce("size", F.lit(0))).alias("volume"),
            F.count(F.lit(1)).alias("tick_count"),
            F.count_if(F.col("size").isNotNull()).alias("trades"),
        )
        .select(
            "symbol",
            "currency",
            F.col("window.start").alias("window_start"),
            "high",
            "low",
            "volume",
            "tick_count",
            F.col("first.price").alias("open"),
            F.col("last.price").alias("close"),
            "trades",
        )
    )
