def last_5_minutes(ticks):
    ticks.withWatermark("event_time", "120 seconds").createOrReplaceTempView("waiting_ticks")
    return ticks.sparkSession.sql("""
        SELECT symbol, window.start AS window_start, window.end AS window_end, min(price) AS low, max(price) AS high
        FROM waiting_ticks
        GROUP BY symbol, window(event_time, '5 minutes', '1 minute')
    """)
