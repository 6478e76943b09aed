# outcome: FAIL
# stage: one topic
# message: 32 records of ticks, partition 0
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        for topic, latest in source["endOffset"].items():
            done = source["startOffset"].get(topic, {})
            behind[topic] = {int(partition): end - done.get(partition, 0) for partition, end in latest.items()}
    return behind
