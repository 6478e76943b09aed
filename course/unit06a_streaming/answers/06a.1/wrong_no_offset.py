# outcome: FAIL
# stage: columns
# message: there is no `offset`
def read_from(spark, servers, topic, start):
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .load()
    )
    return records.select("partition", F.col("key").cast("string"), F.col("value").cast("string"))
