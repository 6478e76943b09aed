from itertools import islice


def read_records(servers, topic, partition, first, count):
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=None)
    consumer.assign([TopicPartition(topic, partition)])
    consumer.seek(TopicPartition(topic, partition), first)
    values = [record.value for record in islice(consumer, count)]
    consumer.close()
    return values
