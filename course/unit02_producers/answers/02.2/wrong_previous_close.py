# outcome: FAIL
# stage: prices
# message: The price 267.45 of AAPL came out as 267.15
def stock_tick(symbol, body):
    quote = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    if not quote["c"]:
        return None
    return {
        "symbol": symbol,
        "currency": "USD",
        "price": quote["pc"],
        "event_time": datetime.fromtimestamp(int(quote["t"]), UTC),
    }
