# outcome: FAIL
# stage: failed
# message: did not arrive: you say that 0 failed
def send_counted(producer, topic, records):
    acknowledged, failed = [], []
    for key, value in records:
        try:
            future = producer.send(topic, key=key, value=value)
        except KafkaError as error:
            continue
        future.add_callback(acknowledged.append)
        future.add_errback(failed.append)
    producer.flush()
    return len(acknowledged), len(failed)
