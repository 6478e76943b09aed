# outcome: FAIL
# stage: order
# message: in another order
def send_ticks(producer, topic, ticks):
    for tick in sorted(ticks, key=lambda tick: tick["price"]):
        producer.send(topic, key=tick["symbol"].encode(), value=json.dumps(tick).encode())
    producer.flush()
