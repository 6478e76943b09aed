# outcome: FAIL
# stage: returns rows
# message: Is there a `return`?
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    print(ask(engine, query, symbol=symbol, begin=begin, end=end))
