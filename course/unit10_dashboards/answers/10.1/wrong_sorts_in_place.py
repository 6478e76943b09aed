# outcome: FAIL
# stage: input left alone
# message: changed the table that it was given
def candle_figure(candles: pd.DataFrame, pair: str) -> go.Figure:
    candles.sort_values("window_start", inplace=True)
    in_order = candles
    times = pd.to_datetime(in_order["window_start"], utc=True).dt.tz_localize(None)
    prices = {name: in_order[name].astype(float) for name in ("open", "high", "low", "close")}
    figure = go.Figure(go.Candlestick(x=times, **prices))
    figure.update_layout(title=pair, xaxis_title="UTC", xaxis_rangeslider_visible=False)
    return figure
