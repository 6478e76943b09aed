# outcome: FAIL
# stage: which rows
# message: two rows for
def gaps(engine, longest):
    query = """
        SELECT a.asset_class, a.symbol, a.currency, a.event_time AS last_tick, b.event_time AS next_tick,
               extract(epoch FROM b.event_time - a.event_time) AS seconds
        FROM ticks AS a
        JOIN ticks AS b USING (asset_class, symbol, currency)
        WHERE b.event_time - a.event_time > :longest
    """
    return ask(engine, query, longest=longest)
