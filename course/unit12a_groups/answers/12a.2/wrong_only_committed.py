# outcome: FAIL
# stage: members with partitions
# message: nothing committed
def behind(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    members = admin.describe_groups([group])[group]["members"]
    committed = admin.list_group_offsets(group)[group]
    admin.close()
    consumer = KafkaConsumer(bootstrap_servers=servers)
    left = {}
    for member in members:
        places = [
            TopicPartition(topic, number)
            for assigned in member["member_assignment"]["assigned_partitions"]
            if assigned["topic"] == topic
            for number in assigned["partitions"]
        ]
        starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        left[member["client_id"]] = sum(ends[place] - committed[place].offset for place in places if place in committed)
    consumer.close()
    return left
