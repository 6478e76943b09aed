# outcome: FAIL
# stage: returns rows
# message: there is no `size`
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price
        FROM ticks
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    return ask(engine, query, symbol=symbol, begin=begin, end=end)
