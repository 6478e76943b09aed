def movers(symbols, before, after):
    found = {}
    for symbol in symbols:
        number = murmur2(bytes(symbol, "utf8")) % 2**31
        if number % before != number % after:
            found[symbol] = [number % before, number % after]
    return found
