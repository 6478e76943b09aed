# outcome: FAIL
# stage: members without partitions
# message: fay has only partitions of another topic
def behind(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    members = admin.describe_groups([group])[group]["members"]
    committed = admin.list_group_offsets(group)[group]
    admin.close()
    consumer = KafkaConsumer(bootstrap_servers=servers)
    left = {}
    for member in members:
        places = [
            TopicPartition(assigned["topic"], number)
            for assigned in member["member_assignment"]["assigned_partitions"]
            for number in assigned["partitions"]
        ]
        starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        left[member["client_id"]] = sum(
            ends[place] - (committed[place].offset if place in committed else starts[place]) for place in places
        )
    consumer.close()
    return left
