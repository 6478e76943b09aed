def late_ticks(ticks, watermark, width):
    start = F.col("window.start")
    line = watermark.isoformat()
    found = ticks.select("*", F.window("event_time", width).alias("window"))
    return found.where(start + F.expr(f"INTERVAL {width}") <= F.lit(line).cast("timestamp"))
