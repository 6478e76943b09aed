# outcome: FAIL
# stage: columns
# message: `event_time_utc` is a timestamp with time zone
VIEW = """
    CREATE OR REPLACE VIEW crypto_prices AS
    SELECT symbol || '/' || currency AS pair,
           event_time AS event_time_utc,
           price,
           size
    FROM crypto_data
    WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')
          > (SELECT max(date_trunc('second', event_time AT TIME ZONE 'UTC')) FROM crypto_data) - interval '1 hour'
"""
