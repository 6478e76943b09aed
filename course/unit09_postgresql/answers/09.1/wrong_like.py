# outcome: FAIL
# stage: which rows
# message: 1.5
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol LIKE :symbol || '%'
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    return ask(engine, query, symbol=symbol, begin=begin, end=end)
