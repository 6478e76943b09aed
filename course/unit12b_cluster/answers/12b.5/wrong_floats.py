# outcome: FAIL
# stage: volume
# message: is a float
def partial_volume(ticks, salts):
    salted = ticks.withColumn("salt", F.col("kafka_offset") % salts)
    return salted.groupBy("symbol", "salt").agg(F.sum("size").alias("volume"), F.count("*").alias("ticks"))


def total_volume(parts):
    volume = F.coalesce(F.sum(F.col("volume").cast("double")), F.lit(0)).alias("volume")
    return parts.groupBy("symbol").agg(volume, F.sum("ticks").alias("ticks"))
