# outcome: FAIL
# stage: another topic
# message: partitions 0 to 4
def lag(servers, group, topic):
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    places = [TopicPartition(topic, number) for number in range(4)]
    starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
    left = {}
    for place in places:
        committed = consumer.committed(place)
        position = starts[place] if committed is None else committed
        left[place.partition] = ends[place] - position
    consumer.close()
    return left
