def alerts(records, percent):
    tick = F.from_json(F.col("value").cast("string"), "price decimal(20,8), before decimal(20,8)")
    moved = F.when(tick["before"] > 0, F.abs(tick["price"] - tick["before"]) * 100 / tick["before"])
    return records.withColumn("moved", moved).where(F.col("moved") >= percent).drop("moved").select("key", "value")
