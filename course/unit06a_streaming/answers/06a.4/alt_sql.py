def bring_new(spark, servers, topic, folder):
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", 4)
        .load()
    )
    rows = spark.sql("SELECT offset, partition, CAST(value AS string) AS text FROM {records}", records=records)
    rows.writeStream.trigger(availableNow=True).start(
        path=f"{folder}/rows", format="parquet", checkpointLocation=f"{folder}/checkpoint"
    ).awaitTermination(60)
