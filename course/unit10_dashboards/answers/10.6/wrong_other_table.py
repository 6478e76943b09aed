# outcome: FAIL
# stage: makes an index
# message: no other index than before
INDEX = "CREATE INDEX ON stock_data ((date_trunc('minute', event_time AT TIME ZONE 'UTC')))"
