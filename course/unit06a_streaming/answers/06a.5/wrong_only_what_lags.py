# outcome: FAIL
# stage: nothing left
# message: your keys are []
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        for topic, latest in source["latestOffset"].items():
            done = source["endOffset"].get(topic, {})
            behind[topic] = {int(partition): end - done.get(partition, 0) for partition, end in latest.items()}
    return {
        topic: {partition: count for partition, count in counts.items() if count} for topic, counts in behind.items()
    }
