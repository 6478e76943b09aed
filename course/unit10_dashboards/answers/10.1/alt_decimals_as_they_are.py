def candle_figure(candles: pd.DataFrame, pair: str) -> go.Figure:
    """The candles of a pair such as `BTC/USD`."""
    in_order = candles.sort_values("window_start")
    times = pd.to_datetime(in_order["window_start"], utc=True).dt.tz_localize(None)
    prices = {name: in_order[name] for name in ("open", "high", "low", "close")}
    figure = go.Figure(go.Candlestick(x=times, **prices))
    figure.update_layout(title=pair, xaxis_title="UTC", xaxis_rangeslider_visible=False)
    return figure
