# outcome: FAIL
# stage: price
# message: the `price` is 1234567890.123456700000000000
def parse_ticks(records):
    schema = "symbol string, price string, size string, event_time string"
    tick = F.from_json(F.col("value").cast("string"), schema)
    return records.select("partition", "offset", tick.alias("tick")).select(
        "partition",
        "offset",
        "tick.symbol",
        F.col("tick.price").try_cast("decimal(38,18)").alias("price"),
        F.col("tick.size").try_cast("decimal(38,18)").alias("size"),
        F.col("tick.event_time").try_cast("timestamp").alias("event_time"),
    )
