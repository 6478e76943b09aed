# outcome: FAIL
# stage: times
# message: ETH/USD
VIEW = """
    CREATE OR REPLACE VIEW crypto_prices AS
    SELECT symbol || '/' || currency AS pair,
           date_trunc('second', event_time AT TIME ZONE 'UTC') AS event_time_utc,
           price,
           size
    FROM crypto_data
    WHERE event_time > (SELECT max(event_time) FROM crypto_data) - interval '1 hour'
"""
