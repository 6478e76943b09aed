def offsets_at(servers, topic, moment):
    consumer = KafkaConsumer(bootstrap_servers=servers)
    result = {}
    for number in consumer.partitions_for_topic(topic):
        place = TopicPartition(topic, number)
        answer = consumer.offsets_for_times({place: round(moment.timestamp() * 1000)})[place]
        if answer is None:
            consumer.assign([place])
            consumer.seek_to_end(place)
            result[number] = consumer.position(place)
        else:
            result[number] = answer.offset
    return result
