# outcome: FAIL
# stage: kinds of values
# message: which is a float and no Decimal
def stock_tick(symbol, body):
    quote = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    if not quote["c"]:
        return None
    return {
        "symbol": symbol,
        "currency": "USD",
        "price": float(quote["c"]),
        "event_time": datetime.fromtimestamp(int(quote["t"]), UTC),
    }
