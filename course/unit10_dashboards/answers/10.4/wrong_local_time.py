# outcome: FAIL
# stage: the clock
# message: there is 2026-03-11 04:28
def fill(chart: go.Figure, candles: pd.DataFrame, pair: str) -> None:
    times = pd.to_datetime(candles["window_start"]).dt.tz_localize(None)
    bodies, line, bars = chart.data
    bodies.update(x=times, open=candles["open"], high=candles["high"], low=candles["low"], close=candles["close"])
    line.update(x=times, y=candles["average"])
    bars.update(x=times, y=candles["volume"])
    chart.update_layout(title=pair, uirevision=pair)
