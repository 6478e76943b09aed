# outcome: FAIL
# stage: count
# message: returned 500 values
def read_records(servers, topic, partition, first, count):
    consumer = KafkaConsumer(bootstrap_servers=servers)
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    consumer.seek(place, first)
    values = [record.value for records in consumer.poll(timeout_ms=5000).values() for record in records]
    consumer.close()
    return values[:count]
