# outcome: FAIL
# stage: which rows
# message: which does not belong there
def last_5_minutes(ticks):
    waiting = ticks.withWatermark("event_time", "2 minutes")
    return (
        waiting.groupBy("symbol", F.window(F.current_timestamp(), "5 minutes", "1 minute").alias("window"))
        .agg(F.min("price").alias("low"), F.max("price").alias("high"))
        .select(
            "symbol",
            F.col("window.start").alias("window_start"),
            F.col("window.end").alias("window_end"),
            "low",
            "high",
        )
    )
