VIEW = """
    CREATE OR REPLACE VIEW crypto_prices AS
    SELECT symbol || '/' || currency AS pair,
           date_trunc('second', event_time AT TIME ZONE 'UTC') AS event_time_utc,
           price,
           size
    FROM crypto_data
    WHERE date_trunc('second', event_time) > (SELECT date_trunc('second', max(event_time)) FROM crypto_data) - interval '1 hour'
"""
