def wider(candles, minutes):
    table = candles.assign(window_start=pd.to_datetime(candles["window_start"], utc=True)).sort_values("window_start")
    if table.empty:
        return table
    by_slot = table.groupby(table["window_start"].dt.floor(f"{minutes}min"))
    wide = pd.DataFrame(
        {
            "open": by_slot["open"].first(),
            "high": by_slot["high"].max(),
            "low": by_slot["low"].min(),
            "close": by_slot["close"].last(),
            "volume": by_slot["volume"].sum(),
        }
    )
    every = pd.date_range(wide.index[0], wide.index[-1], freq=f"{minutes}min", name="window_start")
    wide = wide.reindex(every)
    wide["volume"] = wide["volume"].where(wide["volume"].notna(), 0)
    return wide.reset_index()
