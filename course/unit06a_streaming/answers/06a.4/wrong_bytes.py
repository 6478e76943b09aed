# outcome: FAIL
# stage: brings what is there
# message: the `text` at partition 0, offset 0 is
def bring_new(spark, servers, topic, folder):
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
    )
    query = (
        records.select("partition", "offset", F.col("value").alias("text"))
        .writeStream.format("parquet")
        .option("path", str(folder / "rows"))
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
