def read_from(spark, servers, topic, start):
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
    )
    places = spark.createDataFrame(list(start.items()), "partition int, first long")
    return (
        records.join(places, "partition")
        .where(F.col("offset") >= F.col("first"))
        .select("partition", "offset", records.key.cast("string"), records.value.cast("string"))
    )
