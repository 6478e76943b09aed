# outcome: FAIL
# stage: clients
# message: the keys of your dictionary are
def behind(servers, group, topic):
    consumer = KafkaConsumer(topic, bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    consumer.poll(timeout_ms=3000)
    admin = KafkaAdminClient(bootstrap_servers=servers)
    members = admin.describe_groups([group])[group]["members"]
    admin.close()
    consumer.close()
    return {member["client_id"]: 0 for member in members}
