from kafka.admin import NewTopic


def create_topic(admin, name, partitions, keep_hours):
    settings = {"retention.ms": str(keep_hours * 60 * 60 * 1000)}
    admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1, topic_configs=settings)])
