def correlation(engine, coin, share):
    query = """
        SELECT window_start, close FROM candles_1m
        WHERE currency = 'USD' AND asset_class = :kind AND symbol = :symbol ORDER BY window_start
    """

    def changes(kind, symbol):
        closes = ask(engine, query, kind=kind, symbol=symbol).set_index("window_start")["close"].astype(float)
        if closes.empty:
            return closes
        return closes.asfreq("min").pct_change(fill_method=None)

    both = pd.concat(
        [changes("crypto", coin), changes("stock", share)], axis=1, keys=["coin", "share"], join="inner"
    ).dropna()
    return pd.DataFrame({"minutes": [len(both)], "correlation": [both["coin"].corr(both["share"])]})
