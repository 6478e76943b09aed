# outcome: FAIL
# stage: partitions
# message: the keys of your dictionary are [0, 1]
def offsets_at(servers, topic, moment):
    consumer = KafkaConsumer(bootstrap_servers=servers)
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    milliseconds = int(moment.timestamp() * 1000)
    found = consumer.offsets_for_times(dict.fromkeys(places, milliseconds))
    starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
    consumer.close()
    return {place.partition: found[place].offset for place in places if found[place]}
