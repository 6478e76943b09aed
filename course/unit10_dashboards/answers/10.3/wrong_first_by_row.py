# outcome: FAIL
# stage: open
# message: not in order
def wider(candles, minutes):
    times = pd.to_datetime(candles["window_start"], utc=True).dt.floor(f"{minutes}min")
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    numbers = candles[list(rules)].astype(float)
    return numbers.groupby(times).agg(rules).asfreq(f"{minutes}min").fillna({"volume": 0}).reset_index()
