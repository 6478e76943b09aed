# outcome: FAIL
# stage: valid or rejected
# message: symbol NULL, price NULL, size NULL, event_time NULL, corrupt NULL is among the valid ones
def split_valid(ticks):
    reason = F.coalesce(
        F.when(F.col("corrupt").isNotNull(), "corrupt"),
    )
    judged = ticks.withColumn("reason", reason)
    return judged.where(F.col("reason").isNull()), judged.where(F.col("reason").isNotNull())
