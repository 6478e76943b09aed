# outcome: FAIL
# stage: low
# message: It is the lowest price
def last_5_minutes(ticks):
    waiting = ticks.withWatermark("event_time", "2 minutes")
    return (
        waiting.groupBy("symbol", F.window("event_time", "5 minutes", "1 minute").alias("window"))
        .agg(F.max("price").alias("low"), F.min("price").alias("high"))
        .select(
            "symbol",
            F.col("window.start").alias("window_start"),
            F.col("window.end").alias("window_end"),
            "low",
            "high",
        )
    )
