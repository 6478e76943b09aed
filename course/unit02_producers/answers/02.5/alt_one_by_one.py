def send_counted(producer, topic, records):
    good = bad = 0
    for key, value in records:
        try:
            producer.send(topic, key=key, value=value).get(timeout=20)
            good += 1
        except KafkaError:
            bad += 1
    return [good, bad]
