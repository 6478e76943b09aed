# outcome: FAIL
# stage: partitions
# message: has 1 partitions
def create_topic(admin, name, partitions, keep_hours):
    admin.create_topics(
        {name: {"num_partitions": 1, "replication_factor": 1, "configs": {"retention.ms": str(keep_hours * 3_600_000)}}}
    )
