def candle_figure(candles, pair):
    table = candles.copy()
    table["window_start"] = pd.to_datetime(table["window_start"], utc=True)
    table = table.sort_values("window_start")
    figure = make_subplots(rows=1, cols=1)
    figure.add_candlestick(
        x=table["window_start"].dt.strftime("%Y-%m-%d %H:%M:%S") if len(table) else [],
        open=table["open"],
        high=table["high"],
        low=table["low"],
        close=table["close"],
        row=1,
        col=1,
    )
    figure.update_layout(title_text=pair)
    figure.update_xaxes(title_text="UTC", rangeslider_visible=False)
    return figure
