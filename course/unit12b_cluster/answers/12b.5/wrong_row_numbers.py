# outcome: FAIL
# stage: the same groups when it is tried again
# message: A task that is tried again
def partial_volume(ticks, salts):
    salted = ticks.withColumn("salt", F.monotonically_increasing_id() % salts)
    return salted.groupBy("symbol", "salt").agg(F.sum("size").alias("volume"), F.count("*").alias("ticks"))


def total_volume(parts):
    volume = F.coalesce(F.sum("volume"), F.lit(0)).alias("volume")
    return parts.groupBy("symbol").agg(volume, F.sum("ticks").alias("ticks"))
