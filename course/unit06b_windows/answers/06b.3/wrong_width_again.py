# outcome: FAIL
# stage: which ticks
# message: did not return the tick
def late_ticks(ticks, watermark, width):
    line = F.lit(watermark) - F.expr(f"INTERVAL {width}")
    return ticks.where(F.col("event_time") < line)
