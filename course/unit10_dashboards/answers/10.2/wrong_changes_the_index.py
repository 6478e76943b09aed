# outcome: FAIL
# stage: input left alone
# message: changed the table
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    closes = candles["close"].astype(float)
    candles.index = range(1, len(candles) + 1)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling(f"{minutes}min", min_periods=minutes).mean()
    return candles.assign(average=averages.to_numpy())
