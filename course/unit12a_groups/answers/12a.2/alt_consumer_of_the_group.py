def behind(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    found = {}
    for member in admin.describe_groups([group])[group]["members"]:
        found[member["client_id"]] = 0
        for assigned in member["member_assignment"]["assigned_partitions"]:
            if assigned["topic"] != topic:
                continue
            for number in assigned["partitions"]:
                place = TopicPartition(topic, number)
                position = consumer.committed(place)
                if position is None:
                    position = consumer.beginning_offsets([place])[place]
                found[member["client_id"]] += consumer.end_offsets([place])[place] - position
    consumer.close()
    admin.close()
    return found
