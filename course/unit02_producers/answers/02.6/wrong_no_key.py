# outcome: FAIL
# stage: key
# message: For the symbol 'BTC' the record has the key None
def send_dead_letter(producer, topic, raw, error, symbol):
    headers = [
        ("reason", str(error).encode()),
        ("exception", type(error).__name__.encode()),
        ("source", b"producer"),
    ]
    producer.send(topic, value=raw, headers=headers)
    producer.flush()
