# outcome: FAIL
# stage: one topic
# message: 326 records of ticks, partition 0
def rows_behind(report):
    return {
        topic: {int(partition): int(source["metrics"]["maxOffsetsBehindLatest"]) for partition in latest}
        for source in report["sources"]
        for topic, latest in source["latestOffset"].items()
    }
