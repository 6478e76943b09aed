# outcome: FAIL
# stage: times
# message: came out as 1970-01-21
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
                    "event_time": datetime.fromtimestamp(int(quote["LASTUPDATE"]) / 1000, UTC),
                }
            )
    return found
