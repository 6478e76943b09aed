def correlation(engine, coin, share):
    query = """
        WITH changes AS (
            SELECT now.asset_class, now.symbol, now.window_start, (now.close - before.close) / before.close AS change
            FROM candles_1m AS now
            JOIN candles_1m AS before
              ON before.asset_class = now.asset_class
             AND before.symbol = now.symbol
             AND before.currency = now.currency
             AND before.window_start = now.window_start - interval '1 minute'
            WHERE now.currency = 'USD'
        )
        SELECT corr(s.change, c.change) AS correlation, count(*) AS minutes
        FROM changes AS c, changes AS s
        WHERE c.asset_class = 'crypto' AND c.symbol = :coin
          AND s.asset_class = 'stock' AND s.symbol = :share
          AND c.window_start = s.window_start
    """
    with engine.connect() as connection:
        return connection.execute(text(query), {"coin": coin, "share": share}).all()
