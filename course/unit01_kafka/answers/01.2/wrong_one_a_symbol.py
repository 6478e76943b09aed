# outcome: FAIL
# stage: all arrive
# message: 4 records were in the topic
def send_ticks(producer, topic, ticks):
    newest = {tick["symbol"]: tick for tick in ticks}
    for symbol, tick in newest.items():
        producer.send(topic, key=symbol.encode(), value=json.dumps(tick).encode())
    producer.flush()
