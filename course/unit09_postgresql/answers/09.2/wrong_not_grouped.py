# outcome: ERROR
# stage: returns rows
# message: must appear in the GROUP BY clause
def latest_prices(engine):
    query = """
        SELECT asset_class, symbol, currency, price, max(event_time) AS event_time
        FROM ticks
        GROUP BY asset_class, symbol, currency
    """
    return ask(engine, query)
