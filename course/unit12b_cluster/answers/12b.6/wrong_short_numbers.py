# outcome: FAIL
# stage: no alert missing
# message: 0.00000105
def alerts(records, percent):
    tick = F.from_json(F.col("value").cast("string"), "price decimal(10,2), before decimal(10,2)")
    return records.where(
        (F.abs(tick["price"] - tick["before"]) * 100 >= tick["before"] * percent) & (tick["before"] > 0)
    ).select("key", "value")
