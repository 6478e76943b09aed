# outcome: FAIL
# stage: average
# message: `average` is
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    closes = candles["close"].astype(float)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling(f"{minutes}min", min_periods=minutes, closed="both").mean()
    return candles.assign(average=averages.to_numpy())
