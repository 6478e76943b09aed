# outcome: FAIL
# stage: average
# message: `average` is
def moving_average(engine, count):
    query = """
        SELECT asset_class, symbol, currency, window_start, close,
               avg(close) OVER latest AS average
        FROM candles_1m
        WINDOW latest AS (
            PARTITION BY asset_class, symbol, currency
            ORDER BY window_start
            ROWS BETWEEN :before PRECEDING AND CURRENT ROW
        )
    """
    return ask(engine, query, before=count - 1)
