from kafka import KafkaAdminClient


def lag(servers, group, topic):
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    ends = consumer.end_offsets([TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)])
    left = {}
    for place, end in ends.items():
        done = consumer.committed(place)
        if done is None:
            done = consumer.beginning_offsets([place])[place]
        left[place.partition] = max(0, end - done)
    return left
