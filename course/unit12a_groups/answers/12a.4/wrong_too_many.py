# outcome: FAIL
# stage: no more copies than it takes
# message: Fewer copies would do
def topic_for(partitions, failures):
    return {
        "num_partitions": partitions,
        "replication_factor": 2 * failures + 2,
        "configs": {"min.insync.replicas": str(failures + 1)},
    }
