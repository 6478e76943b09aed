# outcome: FAIL
# stage: price
# message: for asset_class
def latest_prices(engine):
    query = """
        SELECT asset_class, symbol, currency, max(price) AS price, max(event_time) AS event_time
        FROM ticks
        GROUP BY asset_class, symbol, currency
    """
    return ask(engine, query)
