def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    """The candles with the moving average of their closes."""
    closes = candles["close"].copy()
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling(f"{minutes}min", min_periods=minutes).mean()
    return candles.assign(average=averages.to_numpy())
