# outcome: FAIL
# stage: which rows
# message: two rows for
def latest_prices(engine):
    query = """
        SELECT asset_class, symbol, currency, price, event_time
        FROM ticks
        JOIN (
            SELECT asset_class, symbol, currency, max(event_time) AS event_time
            FROM ticks
            GROUP BY asset_class, symbol, currency
        ) AS newest USING (asset_class, symbol, currency, event_time)
    """
    return ask(engine, query)
