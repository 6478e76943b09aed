# outcome: FAIL
# stage: the ticks as they were
# message: `event_time`
def late_ticks(ticks, watermark, width):
    ticks = ticks.withColumn("event_time", F.window("event_time", width).getField("end"))
    return ticks.where(F.col("event_time") <= F.lit(watermark))
