# outcome: FAIL
# stage: at most so many groups
# message: groups of BTC
def partial_volume(ticks, salts):
    salted = ticks.withColumn("salt", F.floor(F.col("kafka_offset") / salts))
    return salted.groupBy("symbol", "salt").agg(F.sum("size").alias("volume"), F.count("*").alias("ticks"))


def total_volume(parts):
    volume = F.coalesce(F.sum("volume"), F.lit(0)).alias("volume")
    return parts.groupBy("symbol").agg(volume, F.sum("ticks").alias("ticks"))
