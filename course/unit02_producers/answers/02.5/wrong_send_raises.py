# outcome: ERROR
# stage: returns two numbers
# message: MessageSizeTooLargeError
def send_counted(producer, topic, records):
    acknowledged, failed = [], []
    for key, value in records:
        future = producer.send(topic, key=key, value=value)
        future.add_callback(acknowledged.append)
        future.add_errback(failed.append)
    producer.flush()
    return len(acknowledged), len(failed)
