def gaps(engine, longest):
    query = """
        SELECT now.asset_class, now.symbol, now.currency, now.event_time AS last_tick, following.event_time AS next_tick,
               extract(epoch FROM following.event_time - now.event_time) AS seconds
        FROM (SELECT DISTINCT asset_class, symbol, currency, event_time FROM ticks) AS now
        CROSS JOIN LATERAL (
            SELECT min(event_time) AS event_time FROM ticks
            WHERE (ticks.asset_class, ticks.symbol, ticks.currency) = (now.asset_class, now.symbol, now.currency)
              AND ticks.event_time > now.event_time
        ) AS following
        WHERE following.event_time - now.event_time > :longest
    """
    return ask(engine, query, longest=longest)
