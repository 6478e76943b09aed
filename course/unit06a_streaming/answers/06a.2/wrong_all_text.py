# outcome: FAIL
# stage: types
# message: `price` has the type string
def parse_ticks(records):
    schema = "symbol string, price string, size string, event_time string"
    tick = F.from_json(F.col("value").cast("string"), schema)
    return records.select("partition", "offset", tick.alias("tick")).select(
        "partition",
        "offset",
        "tick.symbol",
        "tick.price",
        "tick.size",
        F.col("tick.event_time").try_cast("timestamp").alias("event_time"),
    )
