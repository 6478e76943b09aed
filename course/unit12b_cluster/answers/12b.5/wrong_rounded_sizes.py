# outcome: FAIL
# stage: volume
# message: with all their digits
def partial_volume(ticks, salts):
    salted = ticks.withColumn("salt", F.col("kafka_offset") % salts)
    return salted.groupBy("symbol", "salt").agg(F.sum(F.round("size", 6)).alias("volume"), F.count("*").alias("ticks"))


def total_volume(parts):
    volume = F.coalesce(F.sum("volume"), F.lit(0)).alias("volume")
    return parts.groupBy("symbol").agg(volume, F.sum("ticks").alias("ticks"))
