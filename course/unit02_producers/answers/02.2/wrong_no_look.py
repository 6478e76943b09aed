# outcome: FAIL
# stage: quotes without a price
# message: there is no price in it
def stock_tick(symbol, body):
    quote = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    pass
    return {
        "symbol": symbol,
        "currency": "USD",
        "price": quote["c"],
        "event_time": datetime.fromtimestamp(int(quote["t"]), UTC),
    }
