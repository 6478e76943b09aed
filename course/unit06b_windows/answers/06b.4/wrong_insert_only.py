# outcome: ERROR
# stage: writes the batch
# message: UniqueViolation
UPSERT = """
    INSERT INTO candles (symbol, currency, window_start, open, high, low, close, volume, tick_count) VALUES %s
"""


def upsert_candles(batch, batch_id, connection):
    columns = ["symbol", "currency", "window_start", "open", "high", "low", "close", "volume", "tick_count"]
    rows = [tuple(row.values()) for row in batch.select(columns).toArrow().to_pylist()]
    with connection, connection.cursor() as cursor:
        execute_values(cursor, UPSERT, rows)
