def fill(chart, candles, pair):
    times = [time.tz_convert("UTC").strftime("%Y-%m-%d %H:%M:%S") for time in candles["window_start"]]
    prices = candles[["open", "high", "low", "close"]].to_dict("list")
    chart.update_traces(x=times, **prices, selector={"name": "candles"})
    chart.update_traces(x=times, y=list(candles["average"]), selector={"name": "average"})
    chart.update_traces(x=times, y=list(candles["volume"]), selector={"name": "volume"})
    chart.update_layout(title={"text": pair}, uirevision=f"zoom of {pair}")
    return chart
