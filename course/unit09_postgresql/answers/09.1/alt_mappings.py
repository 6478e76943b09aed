def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    connection = engine.connect()
    return connection.execute(text(query), {"symbol": symbol, "begin": begin, "end": end}).mappings()
