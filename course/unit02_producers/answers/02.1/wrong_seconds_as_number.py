# outcome: FAIL
# stage: kinds of values
# message: which is no datetime
def crypto_ticks(body):
    quotes = json.loads(body, parse_float=Decimal, parse_int=Decimal)["RAW"]
    found = []
    for by_currency in quotes.values():
        for quote in by_currency.values():
            found.append(
                {
                    "symbol": quote["FROMSYMBOL"],
                    "currency": quote["TOSYMBOL"],
                    "price": quote["PRICE"],
                    "event_time": int(quote["LASTUPDATE"]),
                }
            )
    return found
