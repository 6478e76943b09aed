# outcome: FAIL
# stage: high
# message: Is it the highest of the slot?
def wider(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    numbers = candles[["open", "high", "low", "close", "volume"]].astype(float)
    numbers.index = pd.to_datetime(candles["window_start"], utc=True)
    numbers["high"] = numbers["close"]
    slots = numbers.resample(f"{minutes}min")
    return slots.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}).reset_index()
