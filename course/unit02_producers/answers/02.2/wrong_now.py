# outcome: FAIL
# stage: times
# message: The time 1793629800 of AAPL came out as
def stock_tick(symbol, body):
    quote = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    if not quote["c"]:
        return None
    return {
        "symbol": symbol,
        "currency": "USD",
        "price": quote["c"],
        "event_time": datetime.now(UTC),
    }
