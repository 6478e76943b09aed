# outcome: FAIL
# stage: partitions with copies missing
# message: leader_id 0
def in_danger(topics, minimum):
    found = {}
    for topic in topics:
        for part in topic["partitions"]:
            place = (topic["name"], part["partition_index"])
            if part["leader_id"] <= 0:
                found[place] = "no leader"
            elif len(part["isr_nodes"]) < minimum[topic["name"]]:
                found[place] = "no writes"
            elif len(part["isr_nodes"]) < len(part["replica_nodes"]):
                found[place] = "copies missing"
    return found
