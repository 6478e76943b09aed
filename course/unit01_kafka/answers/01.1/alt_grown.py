from kafka.admin import ConfigResource, ConfigResourceType


def create_topic(admin, name, partitions, keep_hours):
    admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1}})
    admin.wait_for_topics([name])
    if partitions > 1:
        admin.create_partitions({name: partitions})
    keep = {"retention.ms": str(1000 * 3600 * keep_hours)}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=keep)])
