# outcome: ERROR
# stage: on a stream
# message: Window function is not supported
from pyspark.sql import Window


def candles(ticks, width):
    ticks = ticks.withColumn("window", F.window("event_time", width))
    key = ["symbol", "currency", "window"]
    order = Window.partitionBy(key).orderBy("event_time", "kafka_offset")
    first = ticks.withColumn("open", F.first("price").over(order))
    whole = order.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    both = first.withColumn("open", F.first("price").over(whole)).withColumn("close", F.last("price").over(whole))
    return both.groupBy([*key, "open", "close"]).agg(
        F.max("price").alias("high"),
        F.min("price").alias("low"),
        F.coalesce(F.sum("size"), F.lit(0)).alias("volume"),
        F.count("*").alias("tick_count"),
        F.count("size").alias("trades"),
    )
