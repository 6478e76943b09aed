def lag(servers, group, topic):
    consumer = KafkaConsumer(
        bootstrap_servers=servers, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    )
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    left = {place.partition: ends[place] - consumer.position(place) for place in places}
    consumer.close()
    return left
