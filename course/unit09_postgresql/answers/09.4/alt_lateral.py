def moving_average(engine, count):
    query = """
        SELECT now.asset_class, now.symbol, now.currency, now.window_start, now.close, latest.average
        FROM candles_1m AS now
        LEFT JOIN LATERAL (
            SELECT avg(close) AS average, count(*) AS averaged
            FROM (
                SELECT close
                FROM candles_1m AS c
                WHERE (c.asset_class, c.symbol, c.currency) = (now.asset_class, now.symbol, now.currency)
                  AND c.window_start <= now.window_start
                ORDER BY c.window_start DESC
                LIMIT :count
            ) AS closes
        ) AS latest ON latest.averaged = :count
    """
    with engine.connect() as connection:
        return connection.execute(text(query), {"count": count}).all()
