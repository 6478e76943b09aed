def most_traded(engine, currency, begin, end):
    query = """
        WITH sums AS (
            SELECT symbol, coalesce(sum(price * size), 0) AS turnover,
                   sum(price * size) FILTER (WHERE size > 0) / sum(size) FILTER (WHERE size > 0) AS vwap
            FROM crypto_data
            WHERE currency = :currency AND event_time >= :begin AND event_time < :end
            GROUP BY symbol
        )
        SELECT *, (SELECT count(*) + 1 FROM sums AS other WHERE other.turnover > sums.turnover) AS rank
        FROM sums
    """
    with engine.connect() as connection:
        return connection.execute(text(query), {"currency": currency, "begin": begin, "end": end}).all()
