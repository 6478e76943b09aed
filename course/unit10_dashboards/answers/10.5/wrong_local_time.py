# outcome: FAIL
# stage: times
# message: No tick of a coin came in that second of UTC
VIEW = """
    CREATE OR REPLACE VIEW crypto_prices AS
    SELECT symbol || '/' || currency AS pair,
           date_trunc('second', event_time AT TIME ZONE 'Europe/Berlin') AS event_time_utc,
           price,
           size
    FROM crypto_data
    WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')
          > (SELECT max(date_trunc('second', event_time AT TIME ZONE 'UTC')) FROM crypto_data) - interval '1 hour'
"""
