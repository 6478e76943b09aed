def split_valid(ticks):
    reason = F.concat_ws(
        ", ",
        F.when(F.col("corrupt").isNotNull(), "corrupt"),
        F.when(~F.col("symbol").eqNullSafe(F.col("symbol")) | F.nullif("symbol", F.lit("")).isNull(), "symbol"),
        F.when(F.ifnull(F.col("price"), F.lit(0)) <= 0, "price"),
        F.when(F.col("size") < 0, "size"),
        F.when(F.isnull("event_time"), "event_time"),
    )
    judged = ticks.withColumn("reason", reason)
    return [judged.filter(judged.reason == ""), judged.filter(judged.reason != "")]
