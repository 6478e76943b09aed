# outcome: FAIL
# stage: returns a dictionary
# message: which is no dictionary
def who_reads(servers, group, topic):
    admin = KafkaAdminClient(bootstrap_servers=servers)
    described = admin.describe_groups([group])[group]
    admin.close()
    return described["members"]
