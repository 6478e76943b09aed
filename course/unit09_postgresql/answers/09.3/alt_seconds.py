def candles(engine, symbol, currency, width):
    query = """
        SELECT to_timestamp(floor((extract(epoch FROM event_time) - 946684800) / :seconds) * :seconds + 946684800) AS start,
               (array_agg(price ORDER BY event_time, kafka_partition, kafka_offset))[1] AS open,
               max(price) AS high, min(price) AS low,
               (array_agg(price ORDER BY event_time, kafka_partition, kafka_offset))[count(*)] AS close,
               coalesce(sum(size), 0) AS volume, count(*) AS ticks
        FROM ticks
        WHERE asset_class = 'crypto' AND symbol = :symbol AND currency = :currency
        GROUP BY 1
    """
    return ask(engine, query, seconds=int(width.total_seconds()), symbol=symbol, currency=currency)
