# outcome: FAIL
# stage: partitions that are well
# message: You say 'copies missing'
def in_danger(topics, minimum):
    found = {}
    for topic in topics:
        for part in topic["partitions"]:
            place = (topic["name"], part["partition_index"])
            if part["leader_id"] == -1:
                found[place] = "no leader"
            elif len(part["isr_nodes"]) < minimum[topic["name"]]:
                found[place] = "no writes"
            elif part["isr_nodes"] != part["replica_nodes"]:
                found[place] = "copies missing"
    return found
