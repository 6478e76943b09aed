# outcome: FAIL
# stage: which rows
# message: none for ADA
ADD = """
    INSERT INTO totals AS stored (symbol, ticks, volume) VALUES %s
    ON CONFLICT (symbol) DO UPDATE
    SET ticks = stored.ticks + excluded.ticks, volume = stored.volume + excluded.volume
"""
NOTE = "INSERT INTO batches (query_id, batch_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"


SEEN = set()


def add_once(batch, batch_id, query_id, connection):
    sums = batch.groupBy("symbol").agg(F.count("*"), F.coalesce(F.sum("size"), F.lit(0)))
    rows = [tuple(row) for row in sums.collect()]
    if (query_id, batch_id) in SEEN:
        return
    SEEN.add((query_id, batch_id))
    with connection, connection.cursor() as cursor:
        execute_values(cursor, ADD, rows)
