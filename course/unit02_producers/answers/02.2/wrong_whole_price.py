# outcome: FAIL
# stage: returns a tick
# message: For PENNY
def stock_tick(symbol, body):
    quote = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    if int(quote["c"]) == 0:
        return None
    return {
        "symbol": symbol,
        "currency": "USD",
        "price": quote["c"],
        "event_time": datetime.fromtimestamp(int(quote["t"]), UTC),
    }
