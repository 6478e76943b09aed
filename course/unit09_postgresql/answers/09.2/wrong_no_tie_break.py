# outcome: FAIL
# stage: price
# message: Is it that of the newest tick
def latest_prices(engine):
    query = """
        SELECT DISTINCT ON (asset_class, symbol, currency) asset_class, symbol, currency, price, event_time
        FROM ticks
        ORDER BY asset_class, symbol, currency, event_time DESC
    """
    return ask(engine, query)
