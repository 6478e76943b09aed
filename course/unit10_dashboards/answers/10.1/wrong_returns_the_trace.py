# outcome: FAIL
# stage: returns a figure
# message: a value of the type Candlestick
def candle_figure(candles: pd.DataFrame, pair: str) -> go.Figure:
    in_order = candles.sort_values("window_start")
    times = pd.to_datetime(in_order["window_start"], utc=True).dt.tz_localize(None)
    prices = {name: in_order[name].astype(float) for name in ("open", "high", "low", "close")}
    return go.Candlestick(x=times, **prices)
