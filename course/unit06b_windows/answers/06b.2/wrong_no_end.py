# outcome: FAIL
# stage: columns
# message: there is no `window_end`
def last_5_minutes(ticks):
    waiting = ticks.withWatermark("event_time", "2 minutes")
    return (
        waiting.groupBy("symbol", F.window("event_time", "5 minutes", "1 minute").alias("window"))
        .agg(F.min("price").alias("low"), F.max("price").alias("high"))
        .select("symbol", F.col("window.start").alias("window_start"), "low", "high")
    )
