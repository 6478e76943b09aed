from datetime import UTC


def candle_figure(candles, pair):
    rows = sorted(candles.to_dict("records"), key=lambda row: row["window_start"])
    trace = go.Candlestick(
        x=[row["window_start"].astimezone(UTC).replace(tzinfo=None) for row in rows],
        open=[float(row["open"]) for row in rows],
        high=[float(row["high"]) for row in rows],
        low=[float(row["low"]) for row in rows],
        close=[float(row["close"]) for row in rows],
    )
    layout = go.Layout(
        title={"text": f"Candles of {pair}"}, xaxis={"title": "time (UTC)", "rangeslider": {"visible": False}}
    )
    return go.Figure(data=[trace], layout=layout)
