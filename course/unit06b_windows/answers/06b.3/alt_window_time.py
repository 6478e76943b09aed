def late_ticks(ticks, watermark, width):
    last = F.col("window.end") - F.expr("INTERVAL 1 MICROSECOND")
    return ticks.withColumn("window", F.window("event_time", width)).where(last < F.lit(watermark)).drop("window")
