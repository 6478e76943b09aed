# outcome: FAIL
# stage: which rows
# message: 2411.38
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    return ask(engine, query, begin=begin, end=end)
