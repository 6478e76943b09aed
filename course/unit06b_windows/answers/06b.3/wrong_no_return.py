# outcome: FAIL
# stage: returns a DataFrame
# message: Is there a `return`?
def late_ticks(ticks, watermark, width):
    ticks.where(F.window("event_time", width).getField("end") <= F.lit(watermark))
