# outcome: ERROR
# stage: returns a dictionary
# message: KeyError
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        for topic, latest in source["latestOffset"].items():
            done = source["endOffset"].get(topic, {})
            behind[topic] = {int(partition): end - done[partition] for partition, end in latest.items()}
    return behind
