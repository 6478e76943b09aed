# outcome: FAIL
# stage: no record is lost
# message: the 2 brokers that die
def topic_for(partitions, failures):
    return {
        "num_partitions": partitions,
        "replication_factor": 3,
        "configs": {"min.insync.replicas": "2"},
    }
