# outcome: FAIL
# stage: kinds of values
# message: has the price 70000, which is an int
def crypto_ticks(body):
    quotes = json.loads(body, parse_float=Decimal)["RAW"]
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
