# outcome: FAIL
# stage: average
# message: 1 has a candle
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    closes = candles["close"].astype(float)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling(f"{minutes}min", min_periods=1).mean()
    return candles.assign(average=averages.to_numpy())
