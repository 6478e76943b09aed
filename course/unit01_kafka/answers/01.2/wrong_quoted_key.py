# outcome: FAIL
# stage: keys
# message: has the key b'"
def send_ticks(producer, topic, ticks):
    for tick in ticks:
        producer.send(topic, key=json.dumps(tick["symbol"]).encode(), value=json.dumps(tick).encode())
    producer.flush()
