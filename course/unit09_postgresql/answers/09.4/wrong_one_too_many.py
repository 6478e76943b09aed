# outcome: FAIL
# stage: average
# message: of exactly so many
def moving_average(engine, count):
    query = """
        SELECT asset_class, symbol, currency, window_start, close,
               CASE WHEN count(*) OVER latest = :count THEN avg(close) OVER latest END AS average
        FROM candles_1m
        WINDOW latest AS (
            PARTITION BY asset_class, symbol, currency
            ORDER BY window_start
            ROWS BETWEEN :before PRECEDING AND CURRENT ROW
        )
    """
    return ask(engine, query, count=count, before=count)
