# outcome: ERROR
# stage: arrives
# message: must be (str, bytes) tuples
def send_dead_letter(producer, topic, raw, error, symbol):
    headers = [
        ("reason", str(error).encode()),
        ("exception", type(error).__name__.encode()),
        ("source", "producer"),
    ]
    producer.send(topic, key=symbol.encode() if symbol else None, value=raw, headers=headers)
    producer.flush()
