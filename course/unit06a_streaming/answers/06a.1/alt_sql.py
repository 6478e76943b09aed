def read_from(spark, servers, topic, start):
    places = json.dumps({topic: {str(partition): offset for partition, offset in start.items()}})
    options = {"kafka.bootstrap.servers": servers, "subscribe": topic, "startingOffsets": places}
    records = spark.read.format("kafka").options(**options).load()
    return spark.sql(
        "SELECT offset, partition, CAST(value AS string) AS value, CAST(key AS string) AS key, timestamp FROM {records}",
        records=records,
    )
