# outcome: FAIL
# stage: is what Kafka says
# message: `partitions` is 1;
partitions = 1
