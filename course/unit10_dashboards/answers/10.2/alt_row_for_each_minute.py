def with_average(candles, minutes):
    times = pd.to_datetime(candles["window_start"], utc=True)
    closes = pd.Series(candles["close"].astype(float).to_numpy(), index=times)
    averages = closes.resample("1min").last().rolling(minutes).mean()
    result = candles.copy()
    result["average"] = averages.reindex(times).to_numpy()
    return result
