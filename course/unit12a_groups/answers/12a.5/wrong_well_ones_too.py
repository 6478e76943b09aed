# outcome: FAIL
# stage: partitions that are well
# message: You say 'well'
def in_danger(topics, minimum):
    found = {}
    for topic in topics:
        for part in topic["partitions"]:
            place = (topic["name"], part["partition_index"])
            found[place] = "well"
            if part["leader_id"] == -1:
                found[place] = "no leader"
            elif len(part["isr_nodes"]) < minimum[topic["name"]]:
                found[place] = "no writes"
            elif len(part["isr_nodes"]) < len(part["replica_nodes"]):
                found[place] = "copies missing"
    return found
