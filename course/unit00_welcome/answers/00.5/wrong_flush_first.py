# outcome: FAIL
# stage: Kafka has it
# message: still in the producer's buffer
def say_hello(producer, topic):
    producer.flush()
    producer.send(topic, value=b"hello")
