# outcome: ERROR
# stage: can be carried out
# message: syntax error
INDEX = "CREATE INDEX ON crypto_data (event_time AT TIME ZONE 'UTC')"
