# outcome: FAIL
# stage: the clock
# message: holds '22:58', which is no date and time
def candle_figure(candles: pd.DataFrame, pair: str) -> go.Figure:
    in_order = candles.sort_values("window_start")
    times = pd.to_datetime(in_order["window_start"], utc=True).dt.tz_localize(None)
    prices = {name: in_order[name].astype(float) for name in ("open", "high", "low", "close")}
    figure = go.Figure(go.Candlestick(x=times.dt.strftime("%H:%M"), **prices))
    figure.update_layout(title=pair, xaxis_title="UTC", xaxis_rangeslider_visible=False)
    return figure
