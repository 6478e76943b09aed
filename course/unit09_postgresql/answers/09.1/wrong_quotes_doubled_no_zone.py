# outcome: FAIL
# stage: which rows
# message: Asia/Kolkata
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol = :symbol AND event_time >= :begin AND event_time < :end
        ORDER BY event_time
    """
    begin, end = f"{begin:%Y-%m-%d %H:%M:%S.%f}", f"{end:%Y-%m-%d %H:%M:%S.%f}"
    return ask(engine, query, symbol=symbol, begin=begin, end=end)
