# outcome: FAIL
# stage: vwap
# message: A large trade weighs more
def most_traded(engine, currency, begin, end):
    query = """
        SELECT symbol,
               coalesce(sum(price * size), 0) AS turnover,
               CASE WHEN sum(size) > 0 THEN avg(price) END AS vwap,
               rank() OVER (ORDER BY coalesce(sum(price * size), 0) DESC) AS rank
        FROM crypto_data
        WHERE currency = :currency
          AND event_time >= :begin
          AND event_time < :end
        GROUP BY symbol
        ORDER BY rank, symbol
    """
    return ask(engine, query, currency=currency, begin=begin, end=end)
