# outcome: FAIL
# stage: the value
# message: is None
def say_hello(producer, topic):
    producer.send(topic, key=b"hello")
    producer.flush()
