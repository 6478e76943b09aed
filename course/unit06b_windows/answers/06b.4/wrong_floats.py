# outcome: FAIL
# stage: volume
# message: PEPE, USD, 10:00:00 is 123456789. A row
from decimal import Decimal

UPSERT = """
    INSERT INTO candles (symbol, currency, window_start, open, high, low, close, volume, tick_count) VALUES %s
    ON CONFLICT (symbol, currency, window_start) DO UPDATE
    SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, tick_count = excluded.tick_count
"""


def upsert_candles(batch, batch_id, connection):
    columns = ["symbol", "currency", "window_start", "open", "high", "low", "close", "volume", "tick_count"]
    table = batch.select(columns).toArrow().to_pylist()
    rows = [tuple(float(value) if isinstance(value, Decimal) else value for value in row.values()) for row in table]
    with connection, connection.cursor() as cursor:
        execute_values(cursor, UPSERT, rows)
