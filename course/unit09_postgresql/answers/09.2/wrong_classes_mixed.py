# outcome: FAIL
# stage: which rows
# message: 'META'
def latest_prices(engine):
    query = """
        SELECT DISTINCT ON (symbol, currency) asset_class, symbol, currency, price, event_time
        FROM ticks
        ORDER BY symbol, currency, event_time DESC, kafka_offset DESC
    """
    return ask(engine, query)
