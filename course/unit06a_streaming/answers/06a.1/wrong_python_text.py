# outcome: ERROR
# stage: runs
# message: IllegalArgumentException
def read_from(spark, servers, topic, start):
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", str({topic: start}))
        .load()
    )
    return records.select("partition", "offset", F.col("key").cast("string"), F.col("value").cast("string"))
