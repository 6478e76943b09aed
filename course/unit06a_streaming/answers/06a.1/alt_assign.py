def read_from(spark, servers, topic, start):
    return (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("assign", json.dumps({topic: list(start)}))
        .option("startingOffsets", json.dumps({topic: start}))
        .option("endingOffsets", "latest")
        .load()
        .selectExpr("partition", "offset", "decode(key, 'UTF-8') AS key", "decode(value, 'UTF-8') AS value")
    )
