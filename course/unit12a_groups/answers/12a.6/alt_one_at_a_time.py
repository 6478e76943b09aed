def read_together(consumer, topic, handle, is_over):
    consumer.subscribe([topic])
    try:
        while not is_over():
            for records in consumer.poll(timeout_ms=100, max_records=1).values():
                handle(records[0])
                consumer.commit()
    finally:
        consumer.close()
