# outcome: FAIL
# stage: text
# message: at partition 0, offset 2 the `value` is b'no key'
def read_from(spark, servers, topic, start):
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .load()
    )
    return records.select("partition", "offset", "key", "value")
