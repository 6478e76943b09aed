# outcome: FAIL
# stage: returns settings
# message: settings are given as text
def topic_for(partitions, failures):
    return {
        "num_partitions": partitions,
        "replication_factor": 2 * failures + 1,
        "configs": {"min.insync.replicas": failures + 1},
    }
