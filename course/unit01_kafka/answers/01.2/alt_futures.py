def send_ticks(producer, topic, ticks):
    sent = [producer.send(topic, json.dumps(tick).encode(), tick["symbol"].encode("utf-8")) for tick in ticks]
    for future in sent:
        future.get(timeout=20)
