def latest_prices(engine):
    query = """
        SELECT known.asset_class, known.symbol, known.currency, newest.price, newest.event_time
        FROM (SELECT DISTINCT asset_class, symbol, currency FROM ticks) AS known
        CROSS JOIN LATERAL (
            SELECT price, event_time
            FROM ticks
            WHERE ticks.asset_class = known.asset_class
              AND ticks.symbol = known.symbol
              AND ticks.currency = known.currency
            ORDER BY event_time DESC, kafka_offset DESC
            LIMIT 1
        ) AS newest
    """
    return ask(engine, query)
