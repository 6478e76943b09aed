# outcome: FAIL
# stage: which rows
# message: asset_class 'stock'
def latest_prices(engine):
    query = """
        SELECT DISTINCT ON (asset_class, symbol, currency) asset_class, symbol, currency, price, event_time
        FROM ticks WHERE asset_class = 'crypto'
        ORDER BY asset_class, symbol, currency, event_time DESC, kafka_offset DESC
    """
    return ask(engine, query)
