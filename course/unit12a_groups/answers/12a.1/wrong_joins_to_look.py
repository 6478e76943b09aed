# outcome: FAIL
# stage: clients
# message: The keys of your dictionary are
def who_reads(servers, group, topic):
    consumer = KafkaConsumer(topic, bootstrap_servers=servers, group_id=group)
    consumer.poll(timeout_ms=3000)
    found = {consumer.config["client_id"]: {place.partition for place in consumer.assignment()}}
    consumer.close()
    return found
