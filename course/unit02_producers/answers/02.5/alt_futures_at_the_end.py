def send_counted(producer, topic, records):
    futures = []
    for key, value in records:
        try:
            futures.append(producer.send(topic, value, key))
        except KafkaError:
            futures.append(None)
    producer.flush(timeout=30)
    good = sum(1 for future in futures if future is not None and future.succeeded())
    return good, len(futures) - good
