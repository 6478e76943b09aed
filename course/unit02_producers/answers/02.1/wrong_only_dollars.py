# outcome: ERROR
# stage: returns a list
# message: KeyError: 'USD'
def crypto_ticks(body):
    quotes = json.loads(body, parse_float=Decimal, parse_int=Decimal)["RAW"]
    ticks = []
    for symbol, by_currency in quotes.items():
        quote = by_currency["USD"]
        moment = datetime.fromtimestamp(int(quote["LASTUPDATE"]), UTC)
        ticks.append({"symbol": symbol, "currency": "USD", "price": quote["PRICE"], "event_time": moment})
    return ticks
