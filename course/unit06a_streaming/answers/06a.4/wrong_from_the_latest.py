# outcome: FAIL
# stage: brings what is there
# message: 0 of 5 records are in the files
def bring_new(spark, servers, topic, folder):
    records = (
        spark.readStream.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", topic).load()
    )
    query = (
        records.select("partition", "offset", F.col("value").cast("string").alias("text"))
        .writeStream.format("parquet")
        .option("path", str(folder / "rows"))
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
