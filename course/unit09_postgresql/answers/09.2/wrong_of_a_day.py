# outcome: FAIL
# stage: which rows
# message: 'OLD'
def latest_prices(engine):
    query = """
        SELECT DISTINCT ON (asset_class, symbol, currency) asset_class, symbol, currency, price, event_time
        FROM ticks WHERE event_time >= (SELECT max(event_time) FROM ticks) - interval '1 day'
        ORDER BY asset_class, symbol, currency, event_time DESC, kafka_offset DESC
    """
    return ask(engine, query)
