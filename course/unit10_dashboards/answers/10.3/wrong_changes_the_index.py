# outcome: FAIL
# stage: input left alone
# message: changed the table that it was given
def wider(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    candles.index = pd.to_datetime(candles["window_start"], utc=True)
    numbers = candles[["open", "high", "low", "close", "volume"]].astype(float)
    slots = numbers.resample(f"{minutes}min")
    return slots.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}).reset_index()
