# outcome: ERROR
# stage: returns rows
# message: window functions are not allowed in WHERE
def gaps(engine, longest):
    query = """
        SELECT asset_class, symbol, currency,
               lag(event_time) OVER (PARTITION BY asset_class, symbol, currency ORDER BY event_time) AS last_tick,
               event_time AS next_tick
        FROM ticks
        WHERE event_time - lag(event_time) OVER (PARTITION BY asset_class, symbol, currency ORDER BY event_time) > :longest
    """
    return ask(engine, query, longest=longest)
