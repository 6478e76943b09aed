# outcome: FAIL
# stage: brings what is new
# message: is in the files twice
def bring_new(spark, servers, topic, folder):
    records = spark.read.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", topic).load()
    rows = records.select("partition", "offset", F.col("value").cast("string").alias("text"))
    rows.write.mode("append").parquet(str(folder / "rows"))
