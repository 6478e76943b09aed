def candles(engine, symbol, currency, width):
    query = """
        WITH binned AS (
            SELECT *, date_bin(:width, event_time, timestamptz '2000-01-01 00:00:00+00') AS start
            FROM crypto_data
            WHERE symbol = :symbol AND currency = :currency
        )
        SELECT DISTINCT start, first_value(price) OVER bin AS open, max(price) OVER bin AS high,
               min(price) OVER bin AS low, last_value(price) OVER bin AS close,
               sum(coalesce(size, 0)) OVER bin AS volume, count(*) OVER bin AS ticks
        FROM binned
        WINDOW bin AS (
            PARTITION BY start ORDER BY event_time, kafka_offset
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        )
    """
    return ask(engine, query, width=width, symbol=symbol, currency=currency)
