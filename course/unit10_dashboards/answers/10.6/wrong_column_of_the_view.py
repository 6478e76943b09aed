# outcome: ERROR
# stage: can be carried out
# message: does not exist
INDEX = "CREATE INDEX ON crypto_data (minute_utc)"
