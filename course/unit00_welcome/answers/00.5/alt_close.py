def say_hello(producer, topic):
    producer.send(topic, b"hello")
    producer.close()
