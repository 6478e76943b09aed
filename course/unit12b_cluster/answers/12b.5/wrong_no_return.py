# outcome: FAIL
# stage: the second step: a DataFrame
# message: Is there a `return`?
def partial_volume(ticks, salts):
    salted = ticks.withColumn("salt", F.col("kafka_offset") % salts)
    return salted.groupBy("symbol", "salt").agg(F.sum("size").alias("volume"), F.count("*").alias("ticks"))


def total_volume(parts):
    volume = F.coalesce(F.sum("volume"), F.lit(0)).alias("volume")
    parts.groupBy("symbol").agg(volume, F.sum("ticks").alias("ticks"))
