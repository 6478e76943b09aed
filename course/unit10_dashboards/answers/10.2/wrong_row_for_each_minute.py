# outcome: FAIL
# stage: the rows stay
# message: rows, of 12
def with_average(candles, minutes):
    times = pd.to_datetime(candles["window_start"], utc=True)
    whole = candles.assign(window_start=times).set_index("window_start").resample("1min").last()
    whole["average"] = whole["close"].astype(float).rolling(minutes).mean()
    return whole.reset_index()
