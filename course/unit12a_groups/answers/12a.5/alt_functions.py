def trouble(part, least):
    if part["error_code"] == 5 or part["leader_id"] < 0:
        return "no leader"
    if least > len(part["isr_nodes"]):
        return "no writes"
    return "copies missing" if set(part["replica_nodes"]) - set(part["isr_nodes"]) else None


def in_danger(topics, minimum):
    every = {
        (topic["name"], part["partition_index"]): trouble(part, minimum[topic["name"]])
        for topic in topics
        for part in topic["partitions"]
    }
    return {place: what for place, what in every.items() if what}
