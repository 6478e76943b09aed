# outcome: FAIL
# stage: types
# message: `price` has the type double
def parse_ticks(records):
    schema = "symbol string, price double, size decimal(38,18), event_time string"
    tick = F.from_json(F.col("value").cast("string"), schema)
    return records.select("partition", "offset", tick.alias("tick")).select(
        "partition",
        "offset",
        "tick.symbol",
        "tick.price",
        "tick.size",
        F.col("tick.event_time").try_cast("timestamp").alias("event_time"),
    )
