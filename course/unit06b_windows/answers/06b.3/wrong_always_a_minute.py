# outcome: FAIL
# stage: which ticks
# message: 10:05:00, whose window is not over
def late_ticks(ticks, watermark, width):
    window_end = F.window("event_time", "1 minute").getField("end")
    return ticks.withColumn("window_end", window_end).where(F.col("window_end") <= F.lit(watermark))
