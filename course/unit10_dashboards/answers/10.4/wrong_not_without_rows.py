# outcome: ERROR
# stage: the same figure
# message: Can only use .dt accessor
def fill(chart: go.Figure, candles: pd.DataFrame, pair: str) -> None:
    times = candles["window_start"].dt.tz_convert("UTC").dt.tz_localize(None)
    bodies, line, bars = chart.data
    bodies.update(x=times, open=candles["open"], high=candles["high"], low=candles["low"], close=candles["close"])
    line.update(x=times, y=candles["average"])
    bars.update(x=times, y=candles["volume"])
    chart.update_layout(title=pair, uirevision=pair)
