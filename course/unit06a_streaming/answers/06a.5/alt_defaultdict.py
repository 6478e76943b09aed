from collections import Counter, defaultdict


def rows_behind(report):
    behind = defaultdict(Counter)
    for source in report["sources"]:
        for sign, name in ((1, "latestOffset"), (-1, "endOffset")):
            for topic, offsets in source[name].items():
                for partition, offset in offsets.items():
                    behind[topic][int(partition)] += sign * offset
    return behind
