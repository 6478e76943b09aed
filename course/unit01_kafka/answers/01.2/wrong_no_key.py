# outcome: FAIL
# stage: keys
# message: has no key
def send_ticks(producer, topic, ticks):
    for tick in ticks:
        producer.send(topic, value=json.dumps(tick).encode())
    producer.flush()
