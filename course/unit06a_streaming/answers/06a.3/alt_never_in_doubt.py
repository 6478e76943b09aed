def split_valid(ticks):
    rules = {
        "symbol": F.length("symbol") > 0,
        "price": F.col("price") > 0,
        "size": F.coalesce(F.col("size"), F.lit(0)) >= 0,
        "event_time": F.col("event_time").isNotNull(),
        "corrupt": F.col("corrupt").isNull(),
    }
    valid, reason = F.lit(True), F.lit("")
    for name, holds in rules.items():
        certain = F.coalesce(holds, F.lit(False))
        valid &= certain
        reason = F.concat(reason, F.when(certain, "").otherwise(f"[{name}]"))
    return ticks.where(valid), ticks.where(~valid).withColumn("reason", reason)
