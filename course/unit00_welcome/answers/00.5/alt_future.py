def say_hello(producer, topic):
    producer.send(topic, value="hello".encode()).get(timeout=20)
