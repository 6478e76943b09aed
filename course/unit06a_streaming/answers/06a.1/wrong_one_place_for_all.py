# outcome: FAIL
# stage: which rows
# message: and none for partition 1, offset 0
def read_from(spark, servers, topic, start):
    records = spark.read.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", topic).load()
    return records.where(F.col("offset") >= start[0]).selectExpr(
        "partition", "offset", "CAST(key AS string) AS key", "CAST(value AS string) AS value"
    )
