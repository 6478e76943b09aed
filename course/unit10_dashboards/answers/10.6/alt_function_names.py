INDEX = """
    CREATE INDEX IF NOT EXISTS by_minute
    ON crypto_data ((date_trunc('minute', timezone('UTC', event_time))), symbol) INCLUDE (price);
"""
