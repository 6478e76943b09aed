# outcome: ERROR
# stage: returns a tick
# message: KeyError: 'symbol'
def stock_tick(symbol, body):
    quote = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    if not quote["c"]:
        return None
    return {
        "symbol": quote["symbol"],
        "currency": "USD",
        "price": quote["c"],
        "event_time": datetime.fromtimestamp(int(quote["t"]), UTC),
    }
