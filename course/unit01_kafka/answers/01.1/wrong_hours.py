# outcome: FAIL
# stage: retention
# message: 2 milliseconds
def create_topic(admin, name, partitions, keep_hours):
    admin.create_topics(
        {name: {"num_partitions": partitions, "replication_factor": 1, "configs": {"retention.ms": str(keep_hours)}}}
    )
