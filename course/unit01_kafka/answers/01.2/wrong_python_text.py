# outcome: FAIL
# stage: values
# message: is not JSON
def send_ticks(producer, topic, ticks):
    for tick in ticks:
        producer.send(topic, key=tick["symbol"].encode(), value=str(tick).encode())
    producer.flush()
