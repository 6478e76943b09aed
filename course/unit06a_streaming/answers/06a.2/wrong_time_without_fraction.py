# outcome: FAIL
# stage: event_time
# message: 14:30:00.000000 UTC
def parse_ticks(records):
    schema = "symbol string, price decimal(38,18), size decimal(38,18), event_time string"
    tick = F.from_json(F.col("value").cast("string"), schema)
    return records.select("partition", "offset", tick.alias("tick")).select(
        "partition",
        "offset",
        "tick.symbol",
        "tick.price",
        "tick.size",
        F.try_to_timestamp(F.substring("tick.event_time", 1, 19)).alias("event_time"),
    )
