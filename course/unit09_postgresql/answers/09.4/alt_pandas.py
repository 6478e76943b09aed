def moving_average(engine, count):
    candles = ask(engine, "SELECT * FROM candles_1m ORDER BY window_start")
    by_name = candles.groupby(["asset_class", "symbol", "currency"])["close"]
    candles["average"] = by_name.transform(lambda closes: closes.rolling(count).mean())
    return candles
