# outcome: FAIL
# stage: prices
# message: The price 73843.123456789012345678 of WBTC came out as 73843.12345678
def crypto_ticks(body):
    quotes = json.loads(body)["RAW"]
    found = []
    for by_currency in quotes.values():
        for quote in by_currency.values():
            found.append(
                {
                    "symbol": quote["FROMSYMBOL"],
                    "currency": quote["TOSYMBOL"],
                    "price": Decimal(str(quote["PRICE"])),
                    "event_time": datetime.fromtimestamp(int(quote["LASTUPDATE"]), UTC),
                }
            )
    return found
