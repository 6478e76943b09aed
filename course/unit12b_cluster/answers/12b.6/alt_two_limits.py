def alerts(records, percent):
    text = F.col("value").cast("string")
    number = {name: F.get_json_object(text, f"$.{name}").try_cast("decimal(20,8)") for name in ("price", "before")}
    up = number["price"] * 100 >= number["before"] * (100 + percent)
    down = number["price"] * 100 <= number["before"] * (100 - percent)
    return records.where((number["before"] > 0) & (up | down)).select("key", text.alias("value"))
