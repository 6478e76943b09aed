# outcome: FAIL
# stage: volume
# message: is 4.25
UPSERT = """
    INSERT INTO candles AS stored (symbol, currency, window_start, open, high, low, close, volume, tick_count) VALUES %s
    ON CONFLICT (symbol, currency, window_start) DO UPDATE
    SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = stored.volume + excluded.volume, tick_count = stored.tick_count + excluded.tick_count
"""


def upsert_candles(batch, batch_id, connection):
    columns = ["symbol", "currency", "window_start", "open", "high", "low", "close", "volume", "tick_count"]
    rows = [tuple(row.values()) for row in batch.select(columns).toArrow().to_pylist()]
    with connection, connection.cursor() as cursor:
        execute_values(cursor, UPSERT, rows)
