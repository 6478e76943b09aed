# outcome: FAIL
# stage: valid or rejected
# message: corrupt not NULL is among the valid ones
def split_valid(ticks):
    reason = F.coalesce(
        F.when(F.col("symbol").isNull() | (F.col("symbol") == ""), "no symbol"),
        F.when(F.col("price").isNull() | (F.col("price") <= 0), "no price above zero"),
        F.when(F.col("size") < 0, "size below zero"),
        F.when(F.col("event_time").isNull(), "no event_time"),
    )
    judged = ticks.withColumn("reason", reason)
    return judged.where(F.col("reason").isNull()), judged.where(F.col("reason").isNotNull())
