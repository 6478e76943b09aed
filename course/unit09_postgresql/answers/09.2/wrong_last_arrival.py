# outcome: FAIL
# stage: price
# message: 'BTC'
def latest_prices(engine):
    query = """
        SELECT DISTINCT ON (asset_class, symbol, currency) asset_class, symbol, currency, price, event_time
        FROM ticks
        ORDER BY asset_class, symbol, currency, kafka_offset DESC
    """
    return ask(engine, query)
