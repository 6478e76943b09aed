# outcome: ERROR
# stage: can be carried out
# message: crypto_by_minute
INDEX = "CREATE INDEX ON crypto_by_minute (minute_utc)"
