# outcome: FAIL
# stage: slots
# message: none for 2026-03-10 23:05
def wider(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    numbers = candles[["open", "high", "low", "close", "volume"]].astype(float)
    numbers.index = pd.to_datetime(candles["window_start"], utc=True)
    slots = numbers.resample(f"{minutes}min")
    return (
        slots.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})
        .dropna()
        .reset_index()
    )
