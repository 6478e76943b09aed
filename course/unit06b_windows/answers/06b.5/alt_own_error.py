import psycopg2

ADD = """
    INSERT INTO totals AS stored (symbol, ticks, volume) VALUES %s
    ON CONFLICT (symbol) DO UPDATE
    SET ticks = stored.ticks + excluded.ticks, volume = stored.volume + excluded.volume
"""


def add_once(batch, batch_id, query_id, connection):
    with_volume = batch.selectExpr("symbol", "1 AS ticks", "nvl(size, 0) AS volume")
    rows = [tuple(row) for row in with_volume.groupBy("symbol").sum("ticks").collect()]
    volumes = {row[0]: row[1] for row in with_volume.groupBy("symbol").agg({"volume": "sum"}).collect()}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM batches WHERE query_id = %s AND batch_id = %s", (query_id, batch_id))
            if not cursor.fetchall():
                execute_values(cursor, ADD, [(symbol, ticks, volumes[symbol]) for symbol, ticks in rows])
                cursor.execute("INSERT INTO batches VALUES (%s, %s)", (query_id, batch_id))
        connection.commit()
    except psycopg2.Error as error:
        connection.rollback()
        raise RuntimeError(f"batch {batch_id} is not in: {error}")
