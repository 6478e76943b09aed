# outcome: FAIL
# stage: partitions without a leader
# message: You say 'copies missing'
def in_danger(topics, minimum):
    found = {}
    for topic in topics:
        for part in topic["partitions"]:
            place = (topic["name"], part["partition_index"])
            if len(part["isr_nodes"]) < len(part["replica_nodes"]):
                found[place] = "copies missing"
            elif len(part["isr_nodes"]) < minimum[topic["name"]]:
                found[place] = "no writes"
            elif part["leader_id"] == -1:
                found[place] = "no leader"
    return found
