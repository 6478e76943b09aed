def send_ticks(producer, topic, ticks):
    for tick in ticks:
        value = json.dumps(tick, sort_keys=True, indent=1).encode()
        producer.send(topic, key=bytes(tick["symbol"], "ascii"), value=value).get(timeout=20)
