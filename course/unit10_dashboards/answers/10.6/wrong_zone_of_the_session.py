# outcome: ERROR
# stage: can be carried out
# message: IMMUTABLE
INDEX = "CREATE INDEX ON crypto_data ((date_trunc('minute', event_time::timestamp)))"
