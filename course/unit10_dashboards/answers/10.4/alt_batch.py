def fill(chart, candles, pair):
    times = pd.to_datetime(candles["window_start"], utc=True)
    with chart.batch_update():
        chart.data[0].x = times
        for name in ("open", "high", "low", "close"):
            chart.data[0][name] = candles[name]
        chart.data[1].x = times
        chart.data[1].y = candles["average"]
        chart.data[2].x = times
        chart.data[2].y = candles["volume"]
        chart.layout.title.text = f"{pair}, one minute"
        chart.layout.uirevision = pair
