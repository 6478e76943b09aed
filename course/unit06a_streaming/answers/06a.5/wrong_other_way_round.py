# outcome: FAIL
# stage: one topic
# message: -218 records of ticks, partition 0
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        for topic, latest in source["latestOffset"].items():
            done = source["endOffset"].get(topic, {})
            behind[topic] = {int(partition): done.get(partition, 0) - end for partition, end in latest.items()}
    return behind
