# outcome: FAIL
# stage: kinds of values
# message: has the price 243, which is an int
def stock_tick(symbol, body):
    quote = json.loads(body, parse_float=Decimal)
    if not quote["c"]:
        return None
    return {
        "symbol": symbol,
        "currency": "USD",
        "price": quote["c"],
        "event_time": datetime.fromtimestamp(int(quote["t"]), UTC),
    }
