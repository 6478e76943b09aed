def topic_for(partitions, failures):
    return {
        "num_partitions": partitions,
        "replication_factor": 2 * failures + 1,
        "configs": {"min.insync.replicas": f"{failures + 1}"},
    }
