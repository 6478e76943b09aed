# outcome: FAIL
# stage: members with partitions
# message: the oldest 2 were deleted
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
        done = sum(committed[place].offset if place in committed else 0 for place in places)
        left[member["client_id"]] = sum(ends.values()) - done
    consumer.close()
    return left
