def most_traded(engine, currency, begin, end):
    query = """
        WITH sums AS (
            SELECT symbol, sum(price * coalesce(size, 0)) AS turnover, sum(coalesce(size, 0)) AS volume
            FROM ticks
            WHERE asset_class = 'crypto' AND currency = :currency AND event_time >= :begin AND event_time < :end
            GROUP BY symbol
        )
        SELECT rank() OVER (ORDER BY turnover DESC), CASE WHEN volume > 0 THEN turnover / volume END AS vwap, turnover, symbol
        FROM sums
    """
    return ask(engine, query, currency=currency, begin=begin, end=end)
