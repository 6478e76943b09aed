def bring_new(spark, servers, topic, folder):
    def write(batch, batch_id):
        rows = batch.selectExpr("partition", "offset", "CAST(value AS string) AS text", "timestamp")
        rows.write.mode("append").parquet(str(folder / "rows"))

    (
        spark.readStream.format("kafka")
        .options(**{"kafka.bootstrap.servers": servers, "subscribe": topic, "startingOffsets": "earliest"})
        .load()
        .writeStream.foreachBatch(write)
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(once=True)
        .start()
        .awaitTermination()
    )
