# outcome: ERROR
# stage: handles what is there
# message: CommitFailedError
def read_together(consumer, topic, handle, is_over):
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(places)
    while not is_over():
        for records in consumer.poll(timeout_ms=100).values():
            for record in records:
                handle(record)
        consumer.commit()
    consumer.close()
