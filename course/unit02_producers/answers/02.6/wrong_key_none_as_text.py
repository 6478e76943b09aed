# outcome: FAIL
# stage: key
# message: For the symbol None the record has the key b'None'
def send_dead_letter(producer, topic, raw, error, symbol):
    headers = [
        ("reason", str(error).encode()),
        ("exception", type(error).__name__.encode()),
        ("source", b"producer"),
    ]
    producer.send(topic, key=str(symbol).encode(), value=raw, headers=headers)
    producer.flush()
