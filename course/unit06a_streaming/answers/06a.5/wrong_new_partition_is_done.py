# outcome: FAIL
# stage: a new partition
# message: 0 records of ticks, partition 10
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        for topic, latest in source["latestOffset"].items():
            done = source["endOffset"].get(topic, {})
            behind[topic] = {int(partition): end - done.get(partition, end) for partition, end in latest.items()}
    return behind
