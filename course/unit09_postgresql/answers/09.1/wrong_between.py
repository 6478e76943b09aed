# outcome: FAIL
# stage: which rows
# message: 2026-03-11 00:00:00 UTC
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol = :symbol
          AND event_time BETWEEN :begin AND :end
        ORDER BY event_time
    """
    return ask(engine, query, symbol=symbol, begin=begin, end=end)
