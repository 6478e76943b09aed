from datetime import timedelta, timezone


def crypto_ticks(body):
    document = json.loads(body.decode("utf-8"), parse_float=Decimal)
    here = timezone(timedelta(hours=2))
    ticks = []
    for symbol in sorted(document["RAW"], reverse=True):
        for currency, quote in document["RAW"][symbol].items():
            when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=quote["LASTUPDATE"])
            ticks.append(
                dict(symbol=symbol, currency=currency, price=Decimal(quote["PRICE"]), event_time=when.astimezone(here))
            )
    return ticks
