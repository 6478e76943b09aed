from kafka.partitioner import DefaultPartitioner


class Metadata:
    def __init__(self, count):
        self.count = count

    def topics(self):
        return {"t"}

    def partitions_for_topic(self, topic):
        return set(range(self.count))

    available_partitions_for_topic = partitions_for_topic


def movers(symbols, before, after):
    def place(symbol, count):
        return DefaultPartitioner().partition("t", symbol, symbol.encode("utf-8"), None, None, Metadata(count))

    pairs = {symbol: (place(symbol, before), place(symbol, after)) for symbol in symbols}
    return {symbol: pair for symbol, pair in pairs.items() if pair[0] != pair[1]}
