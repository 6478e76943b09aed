# outcome: FAIL
# stage: failed
# message: you say that 0 failed
def send_counted(producer, topic, records):
    acknowledged = 0
    for key, value in records:
        for _ in range(2):
            try:
                producer.send(topic, key=key or b"none", value=value).get(timeout=20)
            except KafkaError:
                continue
            acknowledged += 1
            break
    return acknowledged, 0
