# outcome: FAIL
# stage: returns a list
# message: did not return within 12 s
def read_records(servers, topic, partition, first, count):
    consumer = KafkaConsumer(bootstrap_servers=servers)
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    consumer.seek(place, first)
    return [record.value for record in consumer][:count]
