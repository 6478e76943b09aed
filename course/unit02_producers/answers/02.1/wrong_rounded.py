# outcome: FAIL
# stage: prices
# message: The price 0.000012345678901234 of SHIB came out as 0.00
def crypto_ticks(body):
    quotes = json.loads(body, parse_float=Decimal, parse_int=Decimal)["RAW"]
    found = []
    for by_currency in quotes.values():
        for quote in by_currency.values():
            found.append(
                {
                    "symbol": quote["FROMSYMBOL"],
                    "currency": quote["TOSYMBOL"],
                    "price": round(quote["PRICE"], 2),
                    "event_time": datetime.fromtimestamp(int(quote["LASTUPDATE"]), UTC),
                }
            )
    return found
