# outcome: FAIL
# stage: no record is lost
# message: 1 copies have it
def topic_for(partitions, failures):
    return {
        "num_partitions": partitions,
        "replication_factor": 2 * failures + 1,
        "configs": {"min.insync.replicas": str(max(1, failures))},
    }
