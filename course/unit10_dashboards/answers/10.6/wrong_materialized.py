# outcome: FAIL
# stage: the view stays
# message: is gone
INDEX = """
    DROP VIEW crypto_by_minute;
    CREATE MATERIALIZED VIEW crypto_by_minute AS
    SELECT symbol, date_trunc('minute', event_time AT TIME ZONE 'UTC') AS minute_utc, price FROM crypto_data;
    CREATE INDEX ON crypto_by_minute (minute_utc)
"""
