# outcome: FAIL
# stage: ticks
# message: Each batch counts once
ADD = """
    INSERT INTO totals AS stored (symbol, ticks, volume) VALUES %s
    ON CONFLICT (symbol) DO NOTHING
"""
NOTE = "INSERT INTO batches (query_id, batch_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"


def add_once(batch, batch_id, query_id, connection):
    sums = batch.groupBy("symbol").agg(F.count("*"), F.coalesce(F.sum("size"), F.lit(0)))
    rows = [tuple(row) for row in sums.collect()]
    with connection, connection.cursor() as cursor:
        cursor.execute(NOTE, (query_id, batch_id))
        if cursor.rowcount == 1:
            execute_values(cursor, ADD, rows)
