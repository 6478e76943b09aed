# outcome: ERROR
# stage: returns two
# message: Queries with streaming sources must be executed with writeStream.start()
def split_valid(ticks):
    reason = F.coalesce(
        F.when(F.col("corrupt").isNotNull(), "corrupt"),
        F.when(F.col("symbol").isNull() | (F.col("symbol") == ""), "no symbol"),
        F.when(F.col("price").isNull() | (F.col("price") <= 0), "no price above zero"),
        F.when(F.col("size") < 0, "size below zero"),
        F.when(F.col("event_time").isNull(), "no event_time"),
    )
    rows = ticks.withColumn("reason", reason).collect()
    spark, schema = ticks.sparkSession, ticks.withColumn("reason", reason).schema
    good = [row for row in rows if row.reason is None]
    bad = [row for row in rows if row.reason is not None]
    return spark.createDataFrame(good, schema), spark.createDataFrame(bad, schema)
