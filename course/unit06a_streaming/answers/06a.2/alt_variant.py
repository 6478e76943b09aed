def parse_ticks(records):
    tick = F.try_parse_json(F.col("value").cast("string"))
    text = F.try_variant_get(tick, "$.event_time", "string")
    return records.withColumns(
        {
            "symbol": F.try_variant_get(tick, "$.symbol", "string"),
            "price": F.try_variant_get(tick, "$.price", "decimal(38,18)"),
            "size": F.try_variant_get(tick, "$.size", "decimal(38,18)"),
            "event_time": F.try_to_timestamp(text),
        }
    )
