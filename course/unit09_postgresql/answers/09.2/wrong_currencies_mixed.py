# outcome: FAIL
# stage: which rows
# message: 'XRP'
def latest_prices(engine):
    query = """
        SELECT DISTINCT ON (asset_class, symbol) asset_class, symbol, currency, price, event_time
        FROM ticks
        ORDER BY asset_class, symbol, event_time DESC, kafka_offset DESC
    """
    return ask(engine, query)
