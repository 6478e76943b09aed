# outcome: FAIL
# stage: several topics
# message: the keys of your dictionary are ['crypto']
def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        topic, latest = next(iter(source["latestOffset"].items()))
        behind[topic] = {int(part): end - source["endOffset"][topic].get(part, 0) for part, end in latest.items()}
    return behind
