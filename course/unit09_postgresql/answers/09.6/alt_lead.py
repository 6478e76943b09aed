def gaps(engine, longest):
    query = """
        SELECT asset_class, symbol, currency, last_tick, next_tick,
               extract(epoch FROM next_tick)::float8 - extract(epoch FROM last_tick)::float8 AS seconds
        FROM (
            SELECT asset_class, symbol, currency, event_time AS last_tick,
                   lead(event_time) OVER (PARTITION BY asset_class, symbol, currency ORDER BY event_time, kafka_offset) AS next_tick
            FROM ticks
        ) AS pairs
        WHERE next_tick > last_tick + :longest
    """
    with engine.connect() as connection:
        return connection.execute(text(query), {"longest": longest}).all()
