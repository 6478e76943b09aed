# outcome: ERROR
# stage: all arrive
# message: raised
def send_ticks(producer, topic, ticks):
    for tick in ticks:
        producer.send(topic, key=tick["symbol"], value=json.dumps(tick).encode())
    producer.flush()
