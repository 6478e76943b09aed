# outcome: FAIL
# stage: is a tick
# message: has the keys
def crypto_ticks(body):
    quotes = json.loads(body, parse_float=Decimal, parse_int=Decimal)["RAW"]
    return [quote for by_currency in quotes.values() for quote in by_currency.values()]
