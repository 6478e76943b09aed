# outcome: FAIL
# stage: no record is lost
# message: min.insync.replicas=1
def topic_for(partitions, failures):
    return {
        "num_partitions": partitions,
        "replication_factor": failures + 1,
        "configs": {"min.insync.replicas": "1"},
    }
