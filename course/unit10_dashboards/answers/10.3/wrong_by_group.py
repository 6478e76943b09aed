# outcome: FAIL
# stage: slots
# message: none for 2026-03-10 23:05
def wider(candles, minutes):
    table = candles.assign(window_start=pd.to_datetime(candles["window_start"], utc=True).dt.floor(f"{minutes}min"))
    return table.groupby("window_start", as_index=False).agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )
