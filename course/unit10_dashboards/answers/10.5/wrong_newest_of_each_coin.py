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
    WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')
          > (SELECT max(date_trunc('second', same.event_time AT TIME ZONE 'UTC')) FROM crypto_data AS same WHERE same.symbol = crypto_data.symbol AND same.currency = crypto_data.currency) - interval '1 hour'
"""
