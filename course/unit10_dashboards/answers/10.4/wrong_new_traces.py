# outcome: FAIL
# stage: the same figure
# message: other traces than before
def fill(chart, candles, pair):
    times = candles["window_start"]
    chart.data = []
    prices = {name: candles[name] for name in ("open", "high", "low", "close")}
    chart.add_candlestick(x=times, **prices, row=1, col=1)
    chart.add_scatter(x=times, y=candles["average"], row=1, col=1)
    chart.add_bar(x=times, y=candles["volume"], row=2, col=1)
    chart.update_layout(title=pair, uirevision=pair)
