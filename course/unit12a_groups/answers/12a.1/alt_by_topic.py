from collections import defaultdict


def who_reads(servers, group, topic):
    with KafkaAdminClient(bootstrap_servers=servers) as admin:
        members = admin.describe_groups([group])[group]["members"]
    names = {member["client_id"] for member in members}
    pairs = [
        (member["client_id"], number)
        for member in members
        for part in member["member_assignment"]["assigned_partitions"]
        for number in part["partitions"]
        if part["topic"] == topic
    ]
    found = defaultdict(frozenset)
    for client, number in pairs:
        found[client] |= {number}
    return {name: found[name] for name in names}
