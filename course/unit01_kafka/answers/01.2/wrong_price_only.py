# outcome: FAIL
# stage: values
# message: none of the ticks
def send_ticks(producer, topic, ticks):
    for tick in ticks:
        producer.send(topic, key=tick["symbol"].encode(), value=json.dumps(tick["price"]).encode())
    producer.flush()
