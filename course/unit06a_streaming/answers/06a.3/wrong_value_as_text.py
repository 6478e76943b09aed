# outcome: FAIL
# stage: values
# message: is rejected with
def split_valid(ticks):
    reason = F.coalesce(
        F.when(F.col("corrupt").isNotNull(), "corrupt"),
        F.when(F.col("symbol").isNull() | (F.col("symbol") == ""), "no symbol"),
        F.when(F.col("price").isNull() | (F.col("price") <= 0), "no price above zero"),
        F.when(F.col("size") < 0, "size below zero"),
        F.when(F.col("event_time").isNull(), "no event_time"),
    )
    judged = ticks.withColumn("reason", reason).withColumn("value", F.col("value").cast("string"))
    return judged.where(F.col("reason").isNull()), judged.where(F.col("reason").isNotNull())
