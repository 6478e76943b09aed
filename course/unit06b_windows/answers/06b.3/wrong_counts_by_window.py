# outcome: FAIL
# stage: columns
# message: there is no `currency`
def late_ticks(ticks, watermark, width):
    late = ticks.groupBy("symbol", F.window("event_time", width).alias("window")).count()
    return late.where(F.col("window.end") <= F.lit(watermark))
