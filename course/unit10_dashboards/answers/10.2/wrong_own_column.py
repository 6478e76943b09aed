# outcome: FAIL
# stage: input left alone
# message: changed the table that it was given: its columns are
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    closes = candles["close"].astype(float)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling(f"{minutes}min", min_periods=minutes).mean()
    candles["average"] = averages.to_numpy()
    return candles
