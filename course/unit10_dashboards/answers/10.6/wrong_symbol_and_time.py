# outcome: FAIL
# stage: the ticks of a few minutes
# message: the server still looks at all ticks
INDEX = "CREATE INDEX ON crypto_data (symbol, currency, event_time)"
