# outcome: FAIL
# stage: a new partition
# message: your keys are
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        for topic, latest in source["latestOffset"].items():
            pairs = zip(sorted(latest.items()), sorted(source["endOffset"][topic].items()))
            behind[topic] = {int(partition): end - done for (partition, end), (_, done) in pairs}
    return behind
