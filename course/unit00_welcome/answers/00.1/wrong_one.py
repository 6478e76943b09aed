# outcome: FAIL
# stage: is what Kafka says
# message: something else than 1
partitions = 1
