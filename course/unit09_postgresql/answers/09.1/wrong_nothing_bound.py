# outcome: ERROR
# stage: returns rows
# message: ProgrammingError
def ticks_between(engine, symbol, begin, end):
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    return pd.read_sql(query, engine)
