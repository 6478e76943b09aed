# outcome: FAIL
# stage: partitions
# message: which is no set
def who_reads(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    described = admin.describe_groups([group])[group]
    admin.close()
    found = {}
    for member in described["members"]:
        own = found.setdefault(member["client_id"], [])
        for assigned in member["member_assignment"]["assigned_partitions"]:
            if assigned["topic"] == topic:
                own.extend(assigned["partitions"])
    return found
