def with_average(candles, minutes):
    closes = candles["close"].astype(float)
    times = pd.to_datetime(candles["window_start"], utc=True)
    mean = closes.rolling(minutes).mean()
    is_whole = times - times.shift(minutes - 1) == pd.Timedelta(minutes=minutes - 1)
    return candles.assign(average=mean.where(is_whole))
