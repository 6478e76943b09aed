# outcome: FAIL
# stage: acknowledged
# message: you say that 0 were acknowledged
def send_counted(producer, topic, records):
    acknowledged, failed = [], []
    for key, value in records:
        try:
            future = producer.send(topic, key=key, value=value)
        except KafkaError as error:
            failed.append(error)
            continue
        future.add_callback(acknowledged.append)
        future.add_errback(failed.append)
    producer.flush()
    return len(failed), len(acknowledged)
