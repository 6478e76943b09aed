# outcome: FAIL
# stage: one topic
# message: which is no dictionary
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        for topic, latest in source["latestOffset"].items():
            done = source["endOffset"].get(topic, {})
            behind[topic] = {int(partition): end - done.get(partition, 0) for partition, end in latest.items()}
    return {topic: sum(counts.values()) for topic, counts in behind.items()}
