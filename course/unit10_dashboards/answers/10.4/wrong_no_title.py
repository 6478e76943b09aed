# outcome: FAIL
# stage: title
# message: the title of the figure is ''
def fill(chart: go.Figure, candles: pd.DataFrame, pair: str) -> None:
    times = pd.to_datetime(candles["window_start"], utc=True).dt.tz_localize(None)
    bodies, line, bars = chart.data
    bodies.update(x=times, open=candles["open"], high=candles["high"], low=candles["low"], close=candles["close"])
    line.update(x=times, y=candles["average"])
    bars.update(x=times, y=candles["volume"])
    chart.update_layout(uirevision=pair)
