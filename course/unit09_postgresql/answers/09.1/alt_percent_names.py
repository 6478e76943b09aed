def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT * FROM ticks
        WHERE symbol = %(symbol)s AND event_time >= %(begin)s AND NOT event_time >= %(end)s
        ORDER BY event_time, kafka_offset
    """
    return pd.read_sql(query, engine, params={"symbol": symbol, "begin": begin, "end": end})
