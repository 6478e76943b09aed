# outcome: FAIL
# stage: values
# message: price 73843.2
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, round(price, 1) AS price, size
        FROM ticks
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    return ask(engine, query, symbol=symbol, begin=begin, end=end)
