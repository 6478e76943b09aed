# outcome: FAIL
# stage: average
# message: `average` is
def moving_average(engine, count):
    candles = ask(engine, "SELECT * FROM candles_1m ORDER BY symbol, window_start")
    candles["average"] = candles["close"].rolling(count).mean()
    return candles
