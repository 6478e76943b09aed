# outcome: FAIL
# stage: the view stays
# message: is another one than before
INDEX = """
    CREATE OR REPLACE VIEW crypto_by_minute AS
    SELECT symbol, event_time AT TIME ZONE 'UTC' AS minute_utc, price FROM crypto_data;
    CREATE INDEX ON crypto_data ((event_time AT TIME ZONE 'UTC'))
"""
