# outcome: FAIL
# stage: failed
# message: you say that 0 failed
def send_counted(producer, topic, records):
    acknowledged, failed = [], []
    for key, value in records:
        try:
            future = producer.send(topic, key=key, value=value)
        except KafkaError as error:
            failed.append(error)
            continue
        future.add_callback(acknowledged.append)
    producer.flush()
    return len(acknowledged), len(failed)
