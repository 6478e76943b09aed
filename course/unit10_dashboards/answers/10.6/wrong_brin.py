# outcome: FAIL
# stage: the first and the last minute
# message: still looks at all ticks
INDEX = "CREATE INDEX ON crypto_data USING brin ((date_trunc('minute', event_time AT TIME ZONE 'UTC')))"
