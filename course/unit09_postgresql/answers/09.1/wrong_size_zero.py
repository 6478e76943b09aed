# outcome: FAIL
# stage: values
# message: size 0
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, coalesce(size, 0) AS size
        FROM ticks
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    return ask(engine, query, symbol=symbol, begin=begin, end=end)
