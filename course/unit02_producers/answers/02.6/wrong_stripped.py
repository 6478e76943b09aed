# outcome: FAIL
# stage: value
# message: came out as
def send_dead_letter(producer, topic, raw, error, symbol):
    headers = [
        ("reason", str(error).encode()),
        ("exception", type(error).__name__.encode()),
        ("source", b"producer"),
    ]
    producer.send(topic, key=symbol.encode() if symbol else None, value=raw.strip(), headers=headers)
    producer.flush()
