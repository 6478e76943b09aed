# outcome: FAIL
# stage: prices
# message: The price 73843.24 of BTC came out as 73843.240000000
def crypto_ticks(body):
    quotes = json.loads(body)["RAW"]
    found = []
    for by_currency in quotes.values():
        for quote in by_currency.values():
            found.append(
                {
                    "symbol": quote["FROMSYMBOL"],
                    "currency": quote["TOSYMBOL"],
                    "price": Decimal(quote["PRICE"]),
                    "event_time": datetime.fromtimestamp(int(quote["LASTUPDATE"]), UTC),
                }
            )
    return found
