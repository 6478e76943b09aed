# outcome: FAIL
# stage: close
# message: Is it the last of the slot?
def wider(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    numbers = candles[["open", "high", "low", "close", "volume"]].astype(float)
    numbers.index = pd.to_datetime(candles["window_start"], utc=True)
    slots = numbers.resample(f"{minutes}min")
    return slots.agg({"open": "first", "high": "max", "low": "min", "close": "mean", "volume": "sum"}).reset_index()
