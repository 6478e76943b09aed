def rows_behind(report):
    behind = {}
    for source in report["sources"]:
        start, end = source["endOffset"], source["latestOffset"]
        for topic in end:
            for partition in end[topic]:
                done = start[topic][partition] if partition in start[topic] else 0
                behind.setdefault(topic, {})[int(partition)] = end[topic][partition] - done
    return behind
