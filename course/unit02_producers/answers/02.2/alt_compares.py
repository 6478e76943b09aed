def stock_tick(symbol, body):
    quote = json.loads(body, parse_float=str, parse_int=str)
    if Decimal(quote["c"]) == 0 or quote["t"] == "0":
        return None
    return {
        "symbol": symbol,
        "currency": "USD",
        "price": Decimal(quote["c"]),
        "event_time": datetime.fromtimestamp(int(quote["t"]), UTC),
    }
