# outcome: FAIL
# stage: reason
# message: its `reason` is 'no price'
def split_valid(ticks):
    reason = F.coalesce(
        F.when(F.col("corrupt").isNotNull(), "no price"),
        F.when(F.col("symbol").isNull() | (F.col("symbol") == ""), "no price"),
        F.when(F.col("price").isNull() | (F.col("price") <= 0), "no price above zero"),
        F.when(F.col("size") < 0, "no price"),
        F.when(F.col("event_time").isNull(), "no price"),
    )
    judged = ticks.withColumn("reason", reason)
    return judged.where(F.col("reason").isNull()), judged.where(F.col("reason").isNotNull())
