# outcome: FAIL
# stage: returns settings
# message: nothing says how many copies must be in sync
def topic_for(partitions, failures):
    return {"num_partitions": partitions, "replication_factor": 2 * failures + 1, "configs": {}}
