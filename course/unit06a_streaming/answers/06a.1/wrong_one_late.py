# outcome: FAIL
# stage: which rows
# message: and none for partition 0, offset 2
def read_from(spark, servers, topic, start):
    records = spark.read.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", topic).load()
    wanted = F.lit(False)
    for partition, offset in start.items():
        wanted |= (F.col("partition") == partition) & (F.col("offset") > offset)
    return records.where(wanted).selectExpr(
        "partition", "offset", "CAST(key AS string) AS key", "CAST(value AS string) AS value"
    )
