# outcome: FAIL
# stage: is a number
# message: which is no whole number
partitions = "4"
