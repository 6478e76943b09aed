# outcome: FAIL
# stage: headers
# message: the header reason is
def send_dead_letter(producer, topic, raw, error, symbol):
    headers = [
        ("reason", repr(error).encode()),
        ("exception", type(error).__name__.encode()),
        ("source", b"producer"),
    ]
    producer.send(topic, key=symbol.encode() if symbol else None, value=raw, headers=headers)
    producer.flush()
