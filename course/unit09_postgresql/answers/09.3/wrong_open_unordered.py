# outcome: FAIL
# stage: open
# message: Is it the price of the earliest
def candles(engine, symbol, currency, width):
    query = """
        SELECT date_bin(:width, event_time, '2000-01-01 00:00Z') AS start,
               (array_agg(price ORDER BY kafka_offset DESC))[1] AS open,
               max(price) AS high,
               min(price) AS low,
               (array_agg(price ORDER BY event_time DESC, kafka_offset DESC))[1] AS close,
               coalesce(sum(size), 0) AS volume,
               count(*) AS ticks
        FROM crypto_data
        WHERE symbol = :symbol
          AND currency = :currency
        GROUP BY start
        ORDER BY start
    """
    return ask(engine, query, width=width, symbol=symbol, currency=currency)
