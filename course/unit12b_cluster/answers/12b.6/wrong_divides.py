# outcome: ERROR
# stage: the alerts: a DataFrame
# message: DIVIDE_BY_ZERO
def alerts(records, percent):
    tick = F.from_json(F.col("value").cast("string"), "price decimal(20,8), before decimal(20,8)")
    return records.where(F.abs(tick["price"] - tick["before"]) / tick["before"] * 100 >= percent).select("key", "value")
