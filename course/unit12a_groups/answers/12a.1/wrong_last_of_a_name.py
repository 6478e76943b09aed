# outcome: FAIL
# stage: partitions
# message: the broker says otherwise
def who_reads(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    described = admin.describe_groups([group])[group]
    admin.close()
    found = {}
    for member in described["members"]:
        found[member["client_id"]] = {
            number
            for assigned in member["member_assignment"]["assigned_partitions"]
            if assigned["topic"] == topic
            for number in assigned["partitions"]
        }
    return found
