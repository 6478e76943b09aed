# outcome: FAIL
# stage: retention
# message: 604,800,000 milliseconds
def create_topic(admin, name, partitions, keep_hours):
    admin.create_topics(
        {
            name: {
                "num_partitions": partitions,
                "replication_factor": 1,
                "configs": {"retention.bytes": str(keep_hours * 3_600_000)},
            }
        }
    )
