# outcome: FAIL
# stage: those that move
# message: a producer sends it elsewhere
def movers(symbols, before, after):
    found = {}
    for symbol in symbols:
        number = murmur2(symbol.encode()) & 0x7FFFFFFF
        if number % before != number % after:
            found[symbol] = number % after
    return found
