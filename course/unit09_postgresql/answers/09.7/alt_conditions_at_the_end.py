def correlation(engine, coin, share):
    query = """
        WITH changes AS (
            SELECT asset_class, symbol, currency, window_start,
                   close / lag(close) OVER (PARTITION BY asset_class, symbol, currency ORDER BY window_start) - 1 AS change,
                   window_start - lag(window_start) OVER (PARTITION BY asset_class, symbol, currency ORDER BY window_start) AS step
            FROM candles_1m
        )
        SELECT count(*) AS minutes, corr(one.change, other.change) AS correlation
        FROM changes AS one
        JOIN changes AS other ON other.window_start = one.window_start AND other.currency = one.currency
        WHERE one.symbol = :coin AND one.asset_class = 'crypto' AND one.step = interval '1 minute'
          AND other.symbol = :share AND other.asset_class = 'stock' AND other.step = interval '1 minute'
          AND one.currency = 'USD'
    """
    return ask(engine, query, coin=coin, share=share)
