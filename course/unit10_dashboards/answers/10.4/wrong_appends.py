# outcome: FAIL
# stage: how many
# message: the candlestick has 11 points
def fill(chart, candles, pair):
    times = list(candles["window_start"])
    for trace, names in zip(chart.data, (["open", "high", "low", "close"], ["average"], ["volume"])):
        trace.x = [*(trace.x or ()), *times]
        for name in names:
            target = "y" if len(names) == 1 else name
            old = trace[target]
            trace[target] = [*(old if old is not None else ()), *candles[name]]
    chart.update_layout(title=pair, uirevision=pair)
