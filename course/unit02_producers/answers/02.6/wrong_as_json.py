# outcome: FAIL
# stage: value
# message: came out as
def send_dead_letter(producer, topic, raw, error, symbol):
    value = json.dumps({"raw": raw.decode(errors="replace"), "reason": str(error)}).encode()
    producer.send(topic, key=symbol.encode() if symbol else None, value=value)
    producer.flush()
