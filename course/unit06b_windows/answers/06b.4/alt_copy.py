import csv
import io


def upsert_candles(batch, batch_id, connection):
    text = io.StringIO()
    names = ["symbol", "currency", "window_start", "open", "high", "low", "close", "volume", "tick_count"]
    csv.writer(text).writerows([row[name] for name in names] for row in batch.toArrow().to_pylist())
    text.seek(0)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE fresh (LIKE candles) ON COMMIT DROP")
        cursor.copy_expert("COPY fresh FROM STDIN (FORMAT csv)", text)
        cursor.execute(
            "DELETE FROM candles USING fresh WHERE (candles.symbol, candles.currency, candles.window_start)"
            " = (fresh.symbol, fresh.currency, fresh.window_start)"
        )
        cursor.execute("INSERT INTO candles SELECT * FROM fresh")
