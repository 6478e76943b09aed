def who_reads(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    found = {}
    for member in admin.describe_groups([group])[group]["members"]:
        topics = {each["topic"]: each["partitions"] for each in member["member_assignment"]["assigned_partitions"]}
        found[member["client_id"]] = found.get(member["client_id"], set()) | set(topics.get(topic, []))
    return found
