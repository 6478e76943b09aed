# outcome: FAIL
# stage: how many
# message: the bar has 0 points
def fill(chart: go.Figure, candles: pd.DataFrame, pair: str) -> None:
    times = pd.to_datetime(candles["window_start"], utc=True).dt.tz_localize(None)
    bodies, line, bars = chart.data
    bodies.update(x=times, open=candles["open"], high=candles["high"], low=candles["low"], close=candles["close"])
    line.update(x=times, y=candles["average"])
    chart.update_layout(title=pair, uirevision=pair)
