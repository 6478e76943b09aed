# outcome: FAIL
# stage: one topic
# message: 282 records of ticks, partition 0
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        for topic, latest in source["latestOffset"].items():
            done = source["endOffset"].get(topic, {})
            behind[topic] = {int(partition): end for partition, end in latest.items()}
    return behind
