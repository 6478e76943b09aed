# outcome: FAIL
# stage: is a statement
# message: not a text
INDEX = ["event_time"]
