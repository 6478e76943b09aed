# outcome: FAIL
# stage: those that stay
# message: the partitioner does not move it
def movers(symbols, before, after):
    found = {}
    for symbol in symbols:
        number = __import__("zlib").crc32(symbol.encode())
        if number % before != number % after:
            found[symbol] = (number % before, number % after)
    return found
