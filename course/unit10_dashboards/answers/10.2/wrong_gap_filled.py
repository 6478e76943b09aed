# outcome: FAIL
# stage: average
# message: at 2026-03-10 23:10 UTC
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    closes = candles["close"].astype(float)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.resample("1min").ffill().rolling(minutes).mean().reindex(closes.index)
    return candles.assign(average=averages.to_numpy())
