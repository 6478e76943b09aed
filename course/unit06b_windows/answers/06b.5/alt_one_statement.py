def add_once(batch, batch_id, query_id, connection):
    ticks = [(row.symbol, row.size) for row in batch.select("symbol", "size").collect()]
    symbols, sizes = [symbol for symbol, _ in ticks], [size for _, size in ticks]
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            WITH note AS (INSERT INTO batches VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1)
            INSERT INTO totals AS stored
            SELECT symbol, count(*), coalesce(sum(size), 0)
            FROM unnest(%s::text[], %s::numeric[]) AS ticks(symbol, size)
            WHERE EXISTS (SELECT 1 FROM note)
            GROUP BY symbol
            ON CONFLICT (symbol) DO UPDATE
            SET ticks = stored.ticks + excluded.ticks, volume = stored.volume + excluded.volume
            """,
            (query_id, batch_id, symbols, sizes),
        )
