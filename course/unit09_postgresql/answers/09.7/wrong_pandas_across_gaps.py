# outcome: FAIL
# stage: minutes
# message: `minutes` is
def correlation(engine, coin, share):
    query = """
        SELECT window_start, asset_class, close FROM candles_1m
        WHERE currency = 'USD'
          AND (asset_class = 'crypto' AND symbol = :coin OR asset_class = 'stock' AND symbol = :share)
        ORDER BY window_start
    """
    closes = ask(engine, query, coin=coin, share=share)
    closes["change"] = closes.groupby("asset_class")["close"].pct_change(fill_method=None)
    table = closes.pivot(index="window_start", columns="asset_class", values="change")
    table = table.reindex(columns=["crypto", "stock"]).dropna()
    return pd.DataFrame([{"minutes": len(table), "correlation": table["crypto"].corr(table["stock"])}])
