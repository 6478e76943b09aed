# outcome: FAIL
# stage: volume
# message: is NULL
def candles(ticks, width):
    place = F.struct("event_time", "kafka_offset")
    grouped = ticks.groupBy("symbol", "currency", F.window("event_time", width).alias("window"))
    return grouped.agg(
        F.min_by("price", place).alias("open"),
        F.max("price").alias("high"),
        F.min("price").alias("low"),
        F.max_by("price", place).alias("close"),
        F.sum("size").alias("volume"),
        F.count("*").alias("tick_count"),
        F.count("size").alias("trades"),
    ).withColumn("window_start", F.col("window.start"))
