def crypto_ticks(body):
    quotes = json.loads(body, parse_float=str, parse_int=str)["RAW"]
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
