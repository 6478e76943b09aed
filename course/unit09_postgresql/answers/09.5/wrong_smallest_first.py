# outcome: FAIL
# stage: rank
# message: `rank` is
def most_traded(engine, currency, begin, end):
    query = """
        SELECT symbol,
               coalesce(sum(price * size), 0) AS turnover,
               sum(price * size) / nullif(sum(size), 0) AS vwap,
               rank() OVER (ORDER BY coalesce(sum(price * size), 0)) AS rank
        FROM crypto_data
        WHERE currency = :currency
          AND event_time >= :begin
          AND event_time < :end
        GROUP BY symbol
        ORDER BY rank, symbol
    """
    return ask(engine, query, currency=currency, begin=begin, end=end)
