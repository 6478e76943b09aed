# outcome: FAIL
# stage: those that stay
# message: the partitioner does not move it
def movers(symbols, before, after):
    found = {}
    for symbol in symbols:
        number = murmur2(symbol.encode()) & 0x7FFFFFFF
        if True:
            found[symbol] = (number % before, number % after)
    return found
