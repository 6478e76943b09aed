# outcome: FAIL
# stage: each record once
# message: is there 3 times
def split_valid(ticks):
    faults = {
        "corrupt": F.col("corrupt").isNotNull(),
        "symbol": F.coalesce(F.col("symbol") == "", F.lit(True)),
        "price": F.coalesce(F.col("price") <= 0, F.lit(True)),
        "size": F.coalesce(F.col("size") < 0, F.lit(False)),
        "event_time": F.col("event_time").isNull(),
    }
    valid, rejected = ticks, None
    for name, fault in faults.items():
        valid = valid.where(~fault)
        part = ticks.where(fault).withColumn("reason", F.lit(name))
        rejected = part if rejected is None else rejected.union(part)
    return valid, rejected
