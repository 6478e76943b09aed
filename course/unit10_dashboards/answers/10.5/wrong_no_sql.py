# outcome: ERROR
# stage: can be carried out
# message: syntax error
VIEW = "a view of crypto_data"
