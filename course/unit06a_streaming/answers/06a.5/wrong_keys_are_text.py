# outcome: FAIL
# stage: one topic
# message: your keys are ['0', '1']
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        for topic, latest in source["latestOffset"].items():
            done = source["endOffset"].get(topic, {})
            behind[topic] = {partition: end - done.get(partition, 0) for partition, end in latest.items()}
    return behind
