# outcome: FAIL
# stage: checkpoint
# message: There is no checkpoint
import tempfile

PLACE = tempfile.mkdtemp()


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
        .option("checkpointLocation", PLACE)
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
