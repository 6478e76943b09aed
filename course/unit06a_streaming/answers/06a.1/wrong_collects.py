# outcome: FAIL
# stage: returns a DataFrame
# message: no DataFrame of Spark
def read_from(spark, servers, topic, start):
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .load()
    )
    return records.select("partition", "offset", F.col("key").cast("string"), F.col("value").cast("string")).collect()
