# outcome: FAIL
# stage: brings what is new
# message: is in the files twice
def bring_new(spark, servers, topic, folder):
    rows = str(folder / "rows")
    start = "earliest"
    if (folder / "rows").exists():
        seen = spark.read.parquet(rows).groupBy("partition").agg(F.max("offset").alias("last")).collect()
        start = json.dumps({topic: {row.partition: row.last for row in seen}})
    (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", start)
        .load()
        .select("partition", "offset", F.col("value").cast("string").alias("text"))
        .write.mode("append")
        .parquet(rows)
    )
