# outcome: FAIL
# stage: average
# message: `average` is NaN
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    closes = candles["close"].astype(float)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling(f"{minutes}min", min_periods=minutes).mean()
    return candles.assign(average=averages)
