# outcome: FAIL
# stage: order
# message: comes first
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY kafka_offset
    """
    return ask(engine, query, symbol=symbol, begin=begin, end=end)
