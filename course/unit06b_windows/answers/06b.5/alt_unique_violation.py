ADD = """
    INSERT INTO totals AS stored (symbol, ticks, volume) VALUES %s
    ON CONFLICT (symbol) DO UPDATE
    SET ticks = stored.ticks + excluded.ticks, volume = stored.volume + excluded.volume
"""
NOTE = "INSERT INTO batches (query_id, batch_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"


def add_once(batch, batch_id, query_id, connection):
    sums = batch.groupBy("symbol").agg(F.count("*"), F.coalesce(F.sum("size"), F.lit(0)))
    rows = [tuple(row) for row in sums.collect()]
    from psycopg2.errors import UniqueViolation

    try:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO batches VALUES (%s, %s)", (query_id, batch_id))
            execute_values(cursor, ADD, rows)
        connection.commit()
    except UniqueViolation:
        connection.rollback()
    except Exception:
        connection.rollback()
        raise
