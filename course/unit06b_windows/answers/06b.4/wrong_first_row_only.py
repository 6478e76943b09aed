# outcome: FAIL
# stage: which rows
# message: has 1 row, and none for
UPSERT = """
    INSERT INTO candles (symbol, currency, window_start, open, high, low, close, volume, tick_count) VALUES %s
    ON CONFLICT (symbol, currency, window_start) DO UPDATE
    SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, tick_count = excluded.tick_count
"""


def upsert_candles(batch, batch_id, connection):
    columns = ["symbol", "currency", "window_start", "open", "high", "low", "close", "volume", "tick_count"]
    rows = [tuple(row.values()) for row in batch.select(columns).toArrow().to_pylist()]
    with connection, connection.cursor() as cursor:
        execute_values(cursor, UPSERT, rows[:1])
