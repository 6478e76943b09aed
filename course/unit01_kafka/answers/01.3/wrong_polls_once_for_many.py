# outcome: FAIL
# stage: count
# message: count=1300) returned
def read_records(servers, topic, partition, first, count):
    consumer = KafkaConsumer(bootstrap_servers=servers)
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    consumer.seek(place, first)
    values = [
        record.value for records in consumer.poll(timeout_ms=5000, max_records=count).values() for record in records
    ]
    consumer.close()
    return values[:count]
