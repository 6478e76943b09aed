# outcome: FAIL
# stage: which rows
# message: asked for was
def ticks_between(engine, symbol, begin, end):
    query = f"""
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol = '{symbol}' AND event_time >= '{begin}' AND event_time < '{end}'
        ORDER BY event_time
    """
    return pd.read_sql(text(query), engine)
