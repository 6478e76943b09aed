# outcome: FAIL
# stage: returns a dictionary
# message: which is no dictionary
def movers(symbols, before, after):
    return [
        s for s in symbols if (murmur2(s.encode()) & 0x7FFFFFFF) % before != (murmur2(s.encode()) & 0x7FFFFFFF) % after
    ]
