# outcome: FAIL
# stage: several sources
# message: the keys of your dictionary are ['crypto']
def rows_behind(report):
    behind = {}
    for source in report["sources"][:1]:
        for topic, latest in source["latestOffset"].items():
            done = source["endOffset"].get(topic, {})
            behind[topic] = {int(partition): end - done.get(partition, 0) for partition, end in latest.items()}
    return behind
