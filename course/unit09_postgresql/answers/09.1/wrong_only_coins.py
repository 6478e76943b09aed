# outcome: FAIL
# stage: which rows
# message: has 0 rows
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM crypto_data
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    return ask(engine, query, symbol=symbol, begin=begin, end=end)
