# outcome: FAIL
# stage: which rows
# message: rows, and none of
VIEW = """
    CREATE OR REPLACE VIEW crypto_prices AS
    SELECT symbol || '/' || currency AS pair,
           date_trunc('second', event_time AT TIME ZONE 'UTC') AS event_time_utc,
           price,
           size
    FROM crypto_data
    WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')
          > (now() AT TIME ZONE 'UTC') - interval '1 hour'
"""
