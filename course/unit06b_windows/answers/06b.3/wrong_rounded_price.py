# outcome: FAIL
# stage: the ticks as they were
# message: `price`
def late_ticks(ticks, watermark, width):
    window_end = F.window("event_time", width).getField("end")
    late = ticks.withColumn("window_end", window_end).where(F.col("window_end") <= F.lit(watermark))
    return late.withColumn("price", F.round("price", 8))
