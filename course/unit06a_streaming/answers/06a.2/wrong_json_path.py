# outcome: FAIL
# stage: price
# message: the `price` is 1234567890.123456700000000000
def parse_ticks(records):
    text = F.col("value").cast("string")
    return records.select(
        "partition",
        "offset",
        F.get_json_object(text, "$.symbol").alias("symbol"),
        F.get_json_object(text, "$.price").try_cast("decimal(38,18)").alias("price"),
        F.get_json_object(text, "$.size").try_cast("decimal(38,18)").alias("size"),
        F.get_json_object(text, "$.event_time").try_cast("timestamp").alias("event_time"),
    )
