# outcome: FAIL
# stage: which rows
# message: which does not belong there
def candles(ticks, width):
    place = F.struct("event_time", "kafka_offset")
    grouped = ticks.groupBy("symbol", "currency", F.date_trunc("minute", "event_time").alias("window_start"))
    return grouped.agg(
        F.min_by("price", place).alias("open"),
        F.max("price").alias("high"),
        F.min("price").alias("low"),
        F.max_by("price", place).alias("close"),
        F.coalesce(F.sum("size"), F.lit(0)).alias("volume"),
        F.count("*").alias("tick_count"),
        F.count("size").alias("trades"),
    )
