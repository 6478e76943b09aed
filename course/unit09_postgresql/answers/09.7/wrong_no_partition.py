# outcome: FAIL
# stage: minutes
# message: `minutes` is
def correlation(engine, coin, share):
    query = """
        WITH steps AS (
            SELECT asset_class, symbol, window_start,
                   window_start - lag(window_start) OVER earlier AS step,
                   close / lag(close) OVER earlier - 1 AS change
            FROM candles_1m
            WHERE currency = 'USD'
            WINDOW earlier AS (ORDER BY window_start)
        ), changes AS (
            SELECT asset_class, symbol, window_start, change
            FROM steps
            WHERE step = interval '1 minute'
        )
        SELECT count(*) AS minutes, corr(coins.change, shares.change) AS correlation
        FROM changes AS coins
        JOIN changes AS shares ON shares.window_start = coins.window_start
        WHERE coins.asset_class = 'crypto'
          AND coins.symbol = :coin
          AND shares.asset_class = 'stock'
          AND shares.symbol = :share
    """
    return ask(engine, query, coin=coin, share=share)
