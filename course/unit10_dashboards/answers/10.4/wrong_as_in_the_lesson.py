# outcome: FAIL
# stage: data of the scatter
# message: `y` of the scatter is NaN at candle 2
def fill(chart, candles, pair):
    times = pd.to_datetime(candles["window_start"], utc=True).dt.tz_localize(None)
    bodies, line, bars = chart.data
    bodies.update(x=times, **{name: candles[name] for name in ("open", "high", "low", "close")})
    line.update(x=times, y=candles["close"].astype(float).rolling(5).mean())
    bars.update(x=times, y=candles["volume"])
    chart.update_layout(title="BTC/USD", uirevision="BTC/USD")
