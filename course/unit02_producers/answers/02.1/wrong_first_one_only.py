# outcome: FAIL
# stage: one tick a quote
# message: there are 2 quotes
def crypto_ticks(body):
    quotes = json.loads(body, parse_float=Decimal, parse_int=Decimal)["RAW"]
    for by_currency in quotes.values():
        for quote in by_currency.values():
            moment = datetime.fromtimestamp(int(quote["LASTUPDATE"]), UTC)
            return [
                {
                    "symbol": quote["FROMSYMBOL"],
                    "currency": quote["TOSYMBOL"],
                    "price": quote["PRICE"],
                    "event_time": moment,
                }
            ]
