# outcome: FAIL
# stage: which ticks
# message: 10:04:00, whose window is not over
def late_ticks(ticks, watermark, width):
    return ticks.where(F.col("event_time") < F.lit(watermark))
