# outcome: FAIL
# stage: members with partitions
# message: offset 4 committed
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
        left[member["client_id"]] = sum(
            ends[place] - (committed[place].offset + 1 if place in committed else starts[place]) for place in places
        )
    consumer.close()
    return left
