# outcome: FAIL
# stage: the topic exists
# message: no topic of that name
def create_topic(admin, name, partitions, keep_hours):
    name = f"{name}.topic"
    try:
        admin.delete_topics([name])
    except Exception:
        pass
    admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1, "configs": {}}})
