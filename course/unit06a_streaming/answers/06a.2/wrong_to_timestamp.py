# outcome: ERROR
# stage: the rows can be fetched
# message: CAST_INVALID_INPUT
def parse_ticks(records):
    schema = "symbol string, price decimal(38,18), size decimal(38,18), event_time string"
    tick = F.from_json(F.col("value").cast("string"), schema)
    return records.select("partition", "offset", tick.alias("tick")).select(
        "partition",
        "offset",
        "tick.symbol",
        "tick.price",
        "tick.size",
        F.to_timestamp("tick.event_time").alias("event_time"),
    )
