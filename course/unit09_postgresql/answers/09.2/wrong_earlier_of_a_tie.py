# outcome: FAIL
# stage: price
# message: latest_prices(engine)
def latest_prices(engine):
    query = """
        SELECT DISTINCT ON (asset_class, symbol, currency) asset_class, symbol, currency, price, event_time
        FROM ticks
        ORDER BY asset_class, symbol, currency, event_time DESC, kafka_offset
    """
    return ask(engine, query)
