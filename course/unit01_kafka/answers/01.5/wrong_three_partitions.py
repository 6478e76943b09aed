# outcome: FAIL
# stage: partitions
# message: the keys of your dictionary are [0, 1, 2]
def offsets_at(servers, topic, moment):
    consumer = KafkaConsumer(bootstrap_servers=servers)
    places = [TopicPartition(topic, number) for number in range(3)]
    milliseconds = int(moment.timestamp() * 1000)
    found = consumer.offsets_for_times(dict.fromkeys(places, milliseconds))
    starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
    consumer.close()
    return {place.partition: found[place].offset if found[place] else ends[place] for place in places}
