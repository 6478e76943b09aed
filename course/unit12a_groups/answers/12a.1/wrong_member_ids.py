# outcome: FAIL
# stage: clients
# message: The keys of your dictionary are
def who_reads(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    described = admin.describe_groups([group])[group]
    admin.close()
    return {
        member["member_id"]: {
            number
            for assigned in member["member_assignment"]["assigned_partitions"]
            if assigned["topic"] == topic
            for number in assigned["partitions"]
        }
        for member in described["members"]
    }
