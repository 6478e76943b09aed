# outcome: FAIL
# stage: which rows
# message: has a row for partition 0, offset 0
def read_from(spark, servers, topic, start):
    records = spark.read.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", topic).load()
    return records.select("partition", "offset", F.col("key").cast("string"), F.col("value").cast("string"))
