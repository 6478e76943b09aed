# outcome: FAIL
# stage: returns settings
# message: asks for 1 partitions
def topic_for(partitions, failures):
    configs = {"min.insync.replicas": str(failures + 1)}
    return {"num_partitions": 1, "replication_factor": 2 * failures + 1, "configs": configs}
