# outcome: FAIL
# stage: kinds of values
# message: which is a float and no Decimal
def crypto_ticks(body):
    quotes = json.loads(body)["RAW"]
    found = []
    for by_currency in quotes.values():
        for quote in by_currency.values():
            found.append(
                {
                    "symbol": quote["FROMSYMBOL"],
                    "currency": quote["TOSYMBOL"],
                    "price": quote["PRICE"],
                    "event_time": datetime.fromtimestamp(int(quote["LASTUPDATE"]), UTC),
                }
            )
    return found
