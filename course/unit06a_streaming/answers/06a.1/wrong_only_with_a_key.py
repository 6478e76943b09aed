# outcome: FAIL
# stage: which rows
# message: and none for partition 0, offset 2
def read_from(spark, servers, topic, start):
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .load()
    )
    return records.where("key IS NOT NULL").select(
        "partition", "offset", F.col("key").cast("string"), F.col("value").cast("string")
    )
