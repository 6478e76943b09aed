# outcome: ERROR
# stage: the alerts: a DataFrame
# message: CAST_INVALID_INPUT
def alerts(records, percent):
    text = F.col("value").cast("string")
    price, before = (F.get_json_object(text, f"$.{name}").cast("decimal(20,8)") for name in ("price", "before"))
    moved = (F.abs(price - before) * 100 >= before * percent) & (before > 0)
    return records.where(moved).select("key", "value")
