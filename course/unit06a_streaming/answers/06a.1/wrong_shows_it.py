# outcome: FAIL
# stage: returns a DataFrame
# message: Is there a `return`?
def read_from(spark, servers, topic, start):
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .load()
    )
    records.select("partition", "offset", F.col("key").cast("string"), F.col("value").cast("string")).show()
