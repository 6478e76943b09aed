# outcome: FAIL
# stage: one record
# message: 2 records
def say_hello(producer, topic):
    producer.send(topic, value=b"hello")
    producer.send(topic, value=b"hello")
    producer.flush()
