# outcome: FAIL
# stage: average
# message: with_average(…twelve candles with a gap…, 3)
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    closes = candles["close"].astype(float)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling("5min", min_periods=5).mean()
    return candles.assign(average=averages.to_numpy())
