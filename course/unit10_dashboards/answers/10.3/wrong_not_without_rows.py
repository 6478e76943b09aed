# outcome: ERROR
# stage: returns a table
# message: Can only use .dt accessor
def wider(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    numbers = candles[["open", "high", "low", "close", "volume"]].astype(float)
    numbers.index = candles["window_start"].dt.tz_convert("UTC")
    slots = numbers.resample(f"{minutes}min")
    return slots.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}).reset_index()
