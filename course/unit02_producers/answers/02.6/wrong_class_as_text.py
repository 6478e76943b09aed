# outcome: FAIL
# stage: headers
# message: the header exception is
def send_dead_letter(producer, topic, raw, error, symbol):
    headers = [
        ("reason", str(error).encode()),
        ("exception", str(type(error)).encode()),
        ("source", b"producer"),
    ]
    producer.send(topic, key=symbol.encode() if symbol else None, value=raw, headers=headers)
    producer.flush()
