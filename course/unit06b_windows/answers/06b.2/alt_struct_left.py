def last_5_minutes(ticks):
    ticks = ticks.withWatermark("event_time", "2 minutes").withColumn(
        "window", F.window("event_time", "300 seconds", "60 seconds")
    )
    return ticks.groupBy("window", "symbol").agg(F.max("price").alias("high"), F.min("price").alias("low"))
