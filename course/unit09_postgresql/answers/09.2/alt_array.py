def latest_prices(engine):
    query = """
        SELECT asset_class, symbol, currency, max(event_time) AS event_time,
               (array_agg(price ORDER BY event_time DESC, kafka_offset DESC))[1] AS price
        FROM ticks
        GROUP BY asset_class, symbol, currency
    """
    return ask(engine, query)
