# outcome: ERROR
# stage: returns
# message: PATH_ALREADY_EXISTS
def bring_new(spark, servers, topic, folder):
    records = spark.read.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", topic).load()
    rows = records.select("partition", "offset", F.col("value").cast("string").alias("text"))
    rows.write.parquet(str(folder / "rows"))
