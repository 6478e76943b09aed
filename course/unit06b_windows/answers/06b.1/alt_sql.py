def candles(ticks, width):
    ticks.createOrReplaceTempView("ticks_for_candles")
    return ticks.sparkSession.sql(f"""
        SELECT window.start AS window_start, tick_count, symbol, currency, open, high, low, close, volume, trades
        FROM (
            SELECT symbol, currency, window(event_time, '{width}') AS window,
                   min_by(price, struct(event_time, kafka_offset)) AS open,
                   max(price) AS high, min(price) AS low,
                   max_by(price, struct(event_time, kafka_offset)) AS close,
                   nvl(sum(size), 0) AS volume, count(1) AS tick_count, count(size) AS trades
            FROM ticks_for_candles
            GROUP BY symbol, currency, window(event_time, '{width}')
        )
    """)
