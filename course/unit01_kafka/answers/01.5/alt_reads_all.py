from datetime import timezone


def offsets_at(servers, topic, moment):
    consumer = KafkaConsumer(bootstrap_servers=servers)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    ends = consumer.end_offsets(places)
    result = {}
    while any(consumer.position(place) < ends[place] for place in places):
        for place, records in consumer.poll(timeout_ms=200).items():
            for record in records:
                if record.timestamp >= (moment - epoch).total_seconds() * 1000:
                    result.setdefault(place.partition, record.offset)
    consumer.close()
    return {place.partition: result.get(place.partition, ends[place]) for place in places}
