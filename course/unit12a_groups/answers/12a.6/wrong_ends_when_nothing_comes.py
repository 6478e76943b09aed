# outcome: FAIL
# stage: goes on until it is over
# message: returned before
def read_together(consumer, topic, handle, is_over):
    consumer.subscribe([topic])
    started = False
    while True:
        is_over()
        found = consumer.poll(timeout_ms=1000)
        if started and not found:
            break
        for records in found.values():
            started = True
            for record in records:
                handle(record)
                place = TopicPartition(topic, record.partition)
                consumer.commit({place: OffsetAndMetadata(record.offset + 1, "", -1)})
    consumer.close()
