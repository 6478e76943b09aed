# outcome: FAIL
# stage: no alert missing
# message: exactly 5 percent above 0.000001
def alerts(records, percent):
    tick = F.from_json(F.col("value").cast("string"), "price double, before double")
    return records.where(
        (F.abs(tick["price"] - tick["before"]) * 100 >= tick["before"] * percent) & (tick["before"] > 0)
    ).select("key", "value")
