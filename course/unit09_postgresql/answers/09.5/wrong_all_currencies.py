# outcome: FAIL
# stage: turnover
# message: in this currency
def most_traded(engine, currency, begin, end):
    query = """
        SELECT symbol,
               coalesce(sum(price * size), 0) AS turnover,
               sum(price * size) / nullif(sum(size), 0) AS vwap,
               rank() OVER (ORDER BY coalesce(sum(price * size), 0) DESC) AS rank
        FROM crypto_data
        WHERE event_time >= :begin
          AND event_time < :end
        GROUP BY symbol
        ORDER BY rank, symbol
    """
    return ask(engine, query, begin=begin, end=end)
