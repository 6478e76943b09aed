# outcome: FAIL
# stage: partitions
# message: the broker says otherwise
def who_reads(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    described = admin.describe_groups([group])[group]
    admin.close()
    found = {}
    for member in described["members"]:
        own = found.setdefault(member["client_id"], set())
        for assigned in member["member_assignment"]["assigned_partitions"]:
            own.update(assigned["partitions"])
    return found
