def read_together(consumer, topic, handle, is_over):
    consumer.subscribe([topic])
    with consumer:
        while not is_over():
            for place, records in consumer.poll(timeout_ms=100, max_records=50).items():
                for record in records:
                    handle(record)
                    consumer.commit({place: OffsetAndMetadata(record.offset + 1, "", -1)})
