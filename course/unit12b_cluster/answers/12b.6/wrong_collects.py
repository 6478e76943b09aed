# outcome: FAIL
# stage: the alerts: a DataFrame
# message: which is no DataFrame
def alerts(records, percent):
    tick = F.from_json(F.col("value").cast("string"), "price decimal(20,8), before decimal(20,8)")
    return (
        records.where((F.abs(tick["price"] - tick["before"]) * 100 >= tick["before"] * percent) & (tick["before"] > 0))
        .select("key", "value")
        .collect()
    )
