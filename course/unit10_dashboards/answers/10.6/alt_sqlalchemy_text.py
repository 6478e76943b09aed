INDEX = text("CREATE INDEX ON crypto_data (date_trunc('minute', event_time AT TIME ZONE 'UTC'))")
