# outcome: FAIL
# stage: input left alone
# message: then seven, times of Asia/Kolkata…, 'BTC/USD') changed the table
def fill(chart: go.Figure, candles: pd.DataFrame, pair: str) -> None:
    candles["window_start"] = pd.to_datetime(candles["window_start"], utc=True)
    times = candles["window_start"]
    bodies, line, bars = chart.data
    bodies.update(x=times, open=candles["open"], high=candles["high"], low=candles["low"], close=candles["close"])
    line.update(x=times, y=candles["average"])
    bars.update(x=times, y=candles["volume"])
    chart.update_layout(title=pair, uirevision=pair)
