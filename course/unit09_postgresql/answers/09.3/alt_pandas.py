def candles(engine, symbol, currency, width):
    query = """
        SELECT event_time, price, coalesce(size, 0) AS size FROM crypto_data
        WHERE symbol = :symbol AND currency = :currency ORDER BY event_time, kafka_offset
    """
    ticks = ask(engine, query, symbol=symbol, currency=currency)
    if ticks.empty:
        return []
    origin = pd.Timestamp("2000-01-01", tz="UTC")
    ticks["start"] = origin + (ticks["event_time"] - origin) // width * width
    return ticks.groupby("start").agg(
        open=("price", "first"),
        high=("price", "max"),
        low=("price", "min"),
        close=("price", "last"),
        volume=("size", "sum"),
        ticks=("price", "size"),
    )
