def partial_volume(ticks, salts):
    known = ticks.withColumn("size", F.coalesce("size", F.lit(0).cast("decimal(38,18)"))).withColumn("one", F.lit(1))
    return (
        known.groupBy("symbol", (F.col("kafka_offset") % salts).alias("salt"))
        .agg({"size": "sum", "one": "sum"})
        .withColumnsRenamed({"sum(size)": "volume", "sum(one)": "ticks"})
    )


def total_volume(parts):
    known = parts.fillna({"volume": 0})
    return known.groupBy("symbol").agg(F.sum("volume").alias("volume"), F.sum("ticks").alias("ticks"))
