# outcome: ERROR
# stage: the topic exists
# message: InvalidReplicationFactor
def create_topic(admin, name, partitions, keep_hours):
    admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 3, "configs": {}}})
