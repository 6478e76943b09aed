from psycopg2.extras import execute_batch

MERGE = """
    MERGE INTO candles AS stored
    USING (VALUES (%(symbol)s, %(currency)s, %(start)s::timestamptz)) AS fresh(symbol, currency, window_start)
    ON (stored.symbol, stored.currency, stored.window_start) = (fresh.symbol, fresh.currency, fresh.window_start)
    WHEN MATCHED THEN UPDATE SET open = %(open)s, high = %(high)s, low = %(low)s, close = %(close)s,
        volume = %(volume)s, tick_count = %(tick_count)s
    WHEN NOT MATCHED THEN INSERT VALUES (%(symbol)s, %(currency)s, %(start)s, %(open)s, %(high)s, %(low)s, %(close)s,
        %(volume)s, %(tick_count)s)
"""


def upsert_candles(batch, batch_id, connection):
    texts = batch.withColumn("start", F.concat(F.col("window_start").cast("string"), F.lit("Z"))).drop("window_start")
    rows = [row.asDict() for row in texts.collect()]
    with connection:
        with connection.cursor() as cursor:
            execute_batch(cursor, MERGE, rows)
