# outcome: ERROR
# stage: the rows can be fetched
# message: CAST_INVALID_INPUT
def parse_ticks(records):
    schema = "symbol string, price string, size decimal(38,18), event_time string"
    tick = F.from_json(F.col("value").cast("string"), schema)
    return records.select("partition", "offset", tick.alias("tick")).select(
        "partition",
        "offset",
        "tick.symbol",
        F.col("tick.price").cast("decimal(38,18)").alias("price"),
        "tick.size",
        F.col("tick.event_time").try_cast("timestamp").alias("event_time"),
    )
