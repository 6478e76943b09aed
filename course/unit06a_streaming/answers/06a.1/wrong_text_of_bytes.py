# outcome: FAIL
# stage: text
# message: the `value` is
def read_from(spark, servers, topic, start):
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .load()
    )
    return records.select("partition", "offset", F.col("key").cast("string"), F.hex("value").alias("value"))
