def send_dead_letter(producer, topic, raw, error, symbol):
    words = {"source": "producer", "reason": f"{error}", "exception": error.__class__.__name__}
    future = producer.send(
        topic,
        raw,
        bytes(symbol, "utf-8") if symbol is not None else None,
        headers=[(name, word.encode("utf-8")) for name, word in words.items()],
    )
    future.get(timeout=20)
