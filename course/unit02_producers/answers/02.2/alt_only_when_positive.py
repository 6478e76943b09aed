def stock_tick(symbol, body):
    fields = json.loads(body, parse_float=Decimal)
    price = Decimal(fields["c"])
    if price > 0:
        return dict(symbol=symbol, currency="USD", price=price, event_time=datetime.fromtimestamp(fields["t"], tz=UTC))
