# outcome: FAIL
# stage: which rows
# message: none for
def gaps(engine, longest):
    query = """
        WITH pairs AS (
            SELECT asset_class, symbol, currency,
                   lag(event_time) OVER (PARTITION BY asset_class, symbol, currency ORDER BY event_time) AS last_tick,
                   event_time AS next_tick
            FROM ticks
        )
        SELECT *, extract(epoch FROM next_tick - last_tick) AS seconds
        FROM pairs
        WHERE date_trunc('minute', next_tick) - date_trunc('minute', last_tick) > :longest
        ORDER BY seconds DESC
    """
    return ask(engine, query, longest=longest)
