# outcome: FAIL
# stage: which rows
# message: which does not belong there
def gaps(engine, longest):
    query = """
        WITH pairs AS (
            SELECT asset_class, symbol, currency,
                   lag(event_time) OVER (ORDER BY event_time) AS last_tick,
                   event_time AS next_tick
            FROM ticks
        )
        SELECT *, extract(epoch FROM next_tick - last_tick) AS seconds
        FROM pairs
        WHERE next_tick - last_tick > :longest
        ORDER BY seconds DESC
    """
    return ask(engine, query, longest=longest)
