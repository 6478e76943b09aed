# outcome: FAIL
# stage: one tick a quote
# message: your list has 0 entries
def crypto_ticks(body):
    quotes = json.loads(body, parse_float=Decimal, parse_int=Decimal)["DISPLAY"]
    return [quote for by_currency in quotes.values() for quote in by_currency.values()]
