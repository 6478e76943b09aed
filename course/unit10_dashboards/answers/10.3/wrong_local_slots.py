# outcome: FAIL
# stage: slots
# message: 2026-03-10 22:30
def wider(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    numbers = candles[["open", "high", "low", "close", "volume"]].astype(float)
    numbers.index = pd.DatetimeIndex(candles["window_start"])
    slots = numbers.resample(f"{minutes}min")
    return slots.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}).reset_index()
