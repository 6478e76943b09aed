# outcome: FAIL
# stage: clients
# message: The keys of your dictionary are
def who_reads(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    described = admin.describe_groups([group])[group]
    admin.close()
    found = {}
    for member in described["members"]:
        for assigned in member["member_assignment"]["assigned_partitions"]:
            if assigned["topic"] == topic:
                found.setdefault(member["client_id"], set()).update(assigned["partitions"])
    return found
