# outcome: FAIL
# stage: waits
# message: 12 of them were still on their way
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
    return len(acknowledged), len(failed)
