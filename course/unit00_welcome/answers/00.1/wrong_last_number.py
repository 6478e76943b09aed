# outcome: FAIL
# stage: is what Kafka says
# message: `partitions` is 3;
partitions = 3
