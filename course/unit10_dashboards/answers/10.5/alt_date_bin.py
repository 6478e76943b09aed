VIEW = """
    CREATE OR REPLACE VIEW crypto_prices (size, price, event_time_utc, pair) AS
    WITH newest AS (
        SELECT max(event_time) AS moment FROM crypto_data
    )
    SELECT size, price,
           (date_bin('1 second', event_time, '2000-01-01 00:00Z') AT TIME ZONE 'UTC')::timestamp(0),
           format('%s/%s', symbol, currency)
    FROM crypto_data, newest
    WHERE event_time >= date_bin('1 second', newest.moment, '2000-01-01 00:00Z') - interval '59 minutes 59 seconds'
"""
