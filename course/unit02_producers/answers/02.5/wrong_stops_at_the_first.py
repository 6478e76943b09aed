# outcome: FAIL
# stage: failed
# message: you say that 1 failed
def send_counted(producer, topic, records):
    acknowledged, failed = [], []
    try:
        for key, value in records:
            future = producer.send(topic, key=key, value=value)
            future.add_callback(acknowledged.append)
            future.add_errback(failed.append)
    except KafkaError as error:
        failed.append(error)
    producer.flush()
    return len(acknowledged), len(failed)
