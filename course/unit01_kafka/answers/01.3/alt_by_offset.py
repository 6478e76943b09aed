def read_records(servers, topic, partition, first, count):
    consumer = KafkaConsumer(bootstrap_servers=servers)
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    found = {}
    while len(found) < count:
        for record in consumer.poll(timeout_ms=200).get(place, []):
            if first <= record.offset < first + count:
                found[record.offset] = record.value
    consumer.close()
    return [found[offset] for offset in sorted(found)]
