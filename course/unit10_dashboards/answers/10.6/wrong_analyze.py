# outcome: FAIL
# stage: makes an index
# message: no other index than before
INDEX = "ANALYZE crypto_data"
