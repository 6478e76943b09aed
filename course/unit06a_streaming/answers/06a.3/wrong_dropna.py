# outcome: FAIL
# stage: each record once
# message: is in neither of both
def split_valid(ticks):
    valid = ticks.dropna(subset=["symbol", "price", "size", "event_time"]).where("price > 0 AND corrupt IS NULL")
    rejected = ticks.where(F.col("price").isNull() | F.col("corrupt").isNotNull() | (F.col("price") <= 0))
    return valid, rejected.withColumn("reason", F.lit("no price"))
