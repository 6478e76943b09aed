# outcome: ERROR
# stage: the rows can be fetched
# message: MALFORMED_RECORD_IN_PARSING
def parse_ticks(records):
    schema = "symbol string, price decimal(38,18), size decimal(38,18), event_time string"
    tick = F.from_json(F.col("value").cast("string"), schema, {"mode": "FAILFAST"})
    return records.select("partition", "offset", tick.alias("tick")).select(
        "partition",
        "offset",
        "tick.symbol",
        "tick.price",
        "tick.size",
        F.col("tick.event_time").try_cast("timestamp").alias("event_time"),
    )
