# outcome: FAIL
# stage: the rows stay
# message: `window_start` is not as it was
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    closes = candles["close"].astype(float)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling(f"{minutes}min", min_periods=minutes).mean()
    candles = candles[::-1]
    averages = averages[::-1]
    return candles.assign(average=averages.to_numpy())
