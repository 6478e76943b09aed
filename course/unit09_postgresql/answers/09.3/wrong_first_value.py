# outcome: FAIL
# stage: which rows
# message: two rows for
def candles(engine, symbol, currency, width):
    query = """
        WITH binned AS (
            SELECT *, date_bin(:width, event_time, '2000-01-01 00:00Z') AS start
            FROM crypto_data
            WHERE symbol = :symbol AND currency = :currency
        )
        SELECT start, first_value(price) OVER bin AS open, max(price) OVER bin AS high, min(price) OVER bin AS low,
               last_value(price) OVER bin AS close, coalesce(sum(size) OVER bin, 0) AS volume, count(*) OVER bin AS ticks
        FROM binned
        WINDOW bin AS (PARTITION BY start ORDER BY event_time, kafka_offset)
    """
    return ask(engine, query, width=width, symbol=symbol, currency=currency)
