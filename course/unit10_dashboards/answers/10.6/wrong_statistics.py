# outcome: FAIL
# stage: makes an index
# message: no other index than before
INDEX = "CREATE STATISTICS by_minute ON (date_trunc('minute', event_time AT TIME ZONE 'UTC')) FROM crypto_data"
