# outcome: FAIL
# stage: values
# message: does not begin at offset 5
def read_records(servers, topic, partition, first, count):
    consumer = KafkaConsumer(bootstrap_servers=servers)
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    values = []
    while len(values) < count:
        for records in consumer.poll(timeout_ms=500).values():
            values += [record.value for record in records]
    consumer.close()
    return values[:count]
