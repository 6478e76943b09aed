def send_ticks(producer, topic, ticks):
    for tick in ticks:
        producer.send(topic, key=tick["symbol"].encode(), value=json.dumps(tick, separators=(",", ":")).encode())
    producer.close()
