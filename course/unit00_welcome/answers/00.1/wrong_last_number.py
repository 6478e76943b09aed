# outcome: FAIL
# stage: is what Kafka says
# message: something else than 3
partitions = 3
