# outcome: FAIL
# stage: which ticks
# message: whose window is not over
def late_ticks(ticks, watermark, width):
    window = F.window("event_time", width)
    return ticks.withColumn("window", window).where(F.col("window.start") <= F.lit(watermark)).drop("window")
