INDEX = "CREATE INDEX CONCURRENTLY by_minute ON crypto_data (date_trunc('minute', event_time AT TIME ZONE 'UTC') DESC)"
