# outcome: FAIL
# stage: which rows
# message: does not belong there
def candles(engine, symbol, currency, width):
    unit = "day" if width.days else "hour" if width.total_seconds() >= 3600 else "minute"
    query = f"""
        SELECT date_trunc('{unit}', event_time) AS start,
               (array_agg(price ORDER BY event_time, kafka_offset))[1] AS open,
               max(price) AS high, min(price) AS low,
               (array_agg(price ORDER BY event_time DESC, kafka_offset DESC))[1] AS close,
               coalesce(sum(size), 0) AS volume, count(*) AS ticks
        FROM crypto_data
        WHERE symbol = :symbol AND currency = :currency
        GROUP BY start
    """
    return ask(engine, query, symbol=symbol, currency=currency)
