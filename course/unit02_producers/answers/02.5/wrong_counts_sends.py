# outcome: FAIL
# stage: acknowledged
# message: you say that 14 were acknowledged
def send_counted(producer, topic, records):
    sent = failed = 0
    for key, value in records:
        try:
            producer.send(topic, key=key, value=value)
            sent += 1
        except KafkaError:
            failed += 1
    producer.flush()
    return sent, failed
