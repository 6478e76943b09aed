# outcome: FAIL
# stage: writes go on
# message: writes are refused
def topic_for(partitions, failures):
    return {
        "num_partitions": partitions,
        "replication_factor": failures + 1,
        "configs": {"min.insync.replicas": str(failures + 1)},
    }
