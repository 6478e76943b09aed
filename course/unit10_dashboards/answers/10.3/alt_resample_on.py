def wider(candles, minutes):
    table = candles.copy()
    table["window_start"] = pd.to_datetime(table["window_start"], utc=True)
    for name in ("open", "high", "low", "close", "volume"):
        table[name] = pd.to_numeric(table[name])
    slots = table.sort_values("window_start").resample(pd.Timedelta(minutes=minutes), on="window_start", origin="epoch")
    found = slots[["open", "high", "low", "close"]].agg({"open": "first", "high": "max", "low": "min", "close": "last"})
    found["volume"] = slots["volume"].sum()
    return found.reset_index()
