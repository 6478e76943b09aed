# outcome: FAIL
# stage: returns a table
# message: a value of the type Series
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    closes = candles["close"].astype(float)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling(f"{minutes}min", min_periods=minutes).mean()
    return averages
