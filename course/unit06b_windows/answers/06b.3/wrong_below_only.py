# outcome: FAIL
# stage: which ticks
# message: 10:05:00, "1 minute") did not return the tick of 10:04:00
def late_ticks(ticks, watermark, width):
    window_end = F.window("event_time", width).getField("end")
    return ticks.withColumn("window_end", window_end).where(F.col("window_end") < F.lit(watermark))
