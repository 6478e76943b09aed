# outcome: FAIL
# stage: times
# message: The newest tick is of
VIEW = """
    CREATE OR REPLACE VIEW crypto_prices AS
    SELECT symbol || '/' || currency AS pair,
           date_trunc('second', event_time AT TIME ZONE 'UTC') AS event_time_utc,
           price,
           size
    FROM crypto_data
"""
