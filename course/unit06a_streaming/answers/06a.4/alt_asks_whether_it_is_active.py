import time


def bring_new(spark, servers, topic, folder):
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
    )
    query = (
        records.select("partition", "offset", F.col("value").cast("string").alias("text"))
        .writeStream.format("parquet")
        .option("path", str(folder / "rows"))
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    while query.isActive:
        time.sleep(0.1)
    if query.exception():
        raise query.exception()
