# outcome: FAIL
# stage: which rows
# message: none for
def moving_average(engine, count):
    query = """
        SELECT * FROM (
            SELECT *, avg(close) OVER latest AS average, count(*) OVER latest AS averaged
            FROM candles_1m
            WINDOW latest AS (
                PARTITION BY asset_class, symbol, currency
                ORDER BY window_start
                ROWS BETWEEN :before PRECEDING AND CURRENT ROW
            )
        ) AS averages
        WHERE averaged = :count
    """
    return ask(engine, query, count=count, before=count - 1)
