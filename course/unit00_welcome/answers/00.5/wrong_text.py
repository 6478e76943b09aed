# outcome: ERROR
# stage: Kafka has it
# message: raised
def say_hello(producer, topic):
    producer.send(topic, value="hello")
    producer.flush()
