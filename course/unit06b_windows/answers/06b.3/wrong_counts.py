# outcome: FAIL
# stage: returns a DataFrame
# message: which is no DataFrame
def late_ticks(ticks, watermark, width):
    window_end = F.window("event_time", width).getField("end")
    return ticks.withColumn("window_end", window_end).where(F.col("window_end") <= F.lit(watermark)).count()
