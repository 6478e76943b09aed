# outcome: FAIL
# stage: all arrive
# message: 8 of 8 records were still in the producer's buffer
def send_ticks(producer, topic, ticks):
    for tick in ticks:
        producer.send(topic, key=tick["symbol"].encode(), value=json.dumps(tick).encode())
