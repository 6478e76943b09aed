# outcome: FAIL
# stage: times
# message: came out as 1970-01-21
def stock_tick(symbol, body):
    quote = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    if not quote["c"]:
        return None
    return {
        "symbol": symbol,
        "currency": "USD",
        "price": quote["c"],
        "event_time": datetime.fromtimestamp(int(quote["t"]) / 1000, UTC),
    }
