def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    values = {"symbol": symbol, "begin": begin, "end": end}
    return pd.read_sql(text(query), engine, params=values, coerce_float=False)
