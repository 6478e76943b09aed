# outcome: FAIL
# stage: times
# message: after half an hour
VIEW = """
    CREATE OR REPLACE VIEW crypto_prices AS
    SELECT symbol || '/' || currency AS pair,
           date_trunc('second', event_time AT TIME ZONE 'UTC') AS event_time_utc,
           price,
           size
    FROM crypto_data
    WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')
          > timestamp '2026-03-11 00:20:05' - interval '1 hour'
"""
