# outcome: FAIL
# stage: which ticks
# message: did not return the tick
def late_ticks(ticks, watermark, width):
    window_end = F.window("event_time", width).getField("end")
    return ticks.dropna().withColumn("window_end", window_end).where(F.col("window_end") <= F.lit(watermark))
