def latest_prices(engine):
    query = """
        SELECT event_time, price, currency, symbol, asset_class
        FROM (
            SELECT *, row_number() OVER (
                PARTITION BY asset_class, symbol, currency
                ORDER BY event_time DESC, kafka_partition DESC, kafka_offset DESC
            ) AS place
            FROM ticks
        ) AS numbered
        WHERE place = 1
    """
    with engine.connect() as connection:
        return connection.execute(text(query)).mappings().all()
