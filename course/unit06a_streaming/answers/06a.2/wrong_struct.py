# outcome: FAIL
# stage: columns
# message: there is no `symbol`
def parse_ticks(records):
    schema = "symbol string, price decimal(38,18), size decimal(38,18), event_time string"
    tick = F.from_json(F.col("value").cast("string"), schema)
    return records.select("partition", "offset", tick.alias("tick"))
