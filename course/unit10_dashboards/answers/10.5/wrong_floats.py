# outcome: FAIL
# stage: columns
# message: `price` is a double precision
VIEW = """
    CREATE OR REPLACE VIEW crypto_prices AS
    SELECT symbol || '/' || currency AS pair,
           date_trunc('second', event_time AT TIME ZONE 'UTC') AS event_time_utc,
           price::float8 AS price,
           size
    FROM crypto_data
    WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')
          > (SELECT max(date_trunc('second', event_time AT TIME ZONE 'UTC')) FROM crypto_data) - interval '1 hour'
"""
