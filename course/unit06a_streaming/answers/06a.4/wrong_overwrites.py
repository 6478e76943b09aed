# outcome: FAIL
# stage: checkpoint
# message: There is no checkpoint
def bring_new(spark, servers, topic, folder):
    records = spark.read.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", topic).load()
    rows = records.select("partition", "offset", F.col("value").cast("string").alias("text"))
    rows.write.mode("overwrite").parquet(str(folder / "rows"))
