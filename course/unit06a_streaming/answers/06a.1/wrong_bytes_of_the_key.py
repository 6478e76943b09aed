# outcome: FAIL
# stage: text
# message: at partition 0, offset 3 the `key` is b'BTC'
def read_from(spark, servers, topic, start):
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .load()
    )
    return records.select("partition", "offset", "key", F.col("value").cast("string"))
