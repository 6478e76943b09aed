"""The endless stream of messages that the torture sends: message number N is the same whenever it is made."""

import random
from datetime import datetime, timedelta
from decimal import Decimal

from lab_utils.ticks import ASSETS, Asset, make_tick, tick_json, utc_text
from lab_utils.torture.audit import Message

NUMBER = "number"
"""The header that tells which message a record is."""
STEP = timedelta(milliseconds=20)
"""From one event time to the next."""
LATE_BY = timedelta(minutes=15)
"""More than the watermark allows."""
SYMBOLS = {"crypto": ("BTC", "ETH", "SOL", "XRP", "ADA"), "stock": ("AAPL", "MSFT", "GOOG", "AMZN", "TSLA")}
RUBBISH = (None, b"", b"not json", b"\xff\xfe\0", b'{"symbol":"BTC"}', b'{"a":"\\u0000",', b'"","\n\\.', b"[]")


def message(number: int, begin: datetime) -> Message:
    """Message `number` of a stream whose event times begin at `begin`.

    Of a hundred about two are no ticks, one lies in a dead-letter topic, and one is later than the watermark.
    """
    rng = random.Random(number)
    asset = rng.choice(ASSETS)
    symbol = rng.choice(SYMBOLS[asset.name])
    header = (NUMBER, str(number).encode())
    chance = rng.random()
    if chance < 0.02:
        return Message(asset.topic, rng.choice(RUBBISH), symbol.encode(), (header,))
    if chance < 0.03:
        reason = ("reason", f'price: missing, "{number}"\n'.encode())
        return Message(asset.dead_letter_topic, rng.choice(RUBBISH), symbol.encode(), (header, reason))
    time = begin + number % 1_000_000 * STEP - (LATE_BY if chance < 0.04 else timedelta(0))
    return Message(asset.topic, _tick(asset, symbol, time, rng), symbol.encode(), (header,))


def _tick(asset: Asset, symbol: str, time: datetime, rng: random.Random) -> bytes:
    fields = {
        "symbol": symbol,
        "currency": "USD",
        "price": Decimal(rng.randrange(1, 10**9)).scaleb(-rng.randrange(9)),
        "size": rng.choice([None, Decimal(rng.randrange(10**6)).scaleb(-5)]),
        "event_time": utc_text(time),
        "ingest_time": utc_text(time),
        "source": "torture",
        "version": 1,
    }
    sent = tick_json(make_tick(asset, fields))
    # One in ten as another writer of JSON would have it.
    return sent.replace(b'":', b'" : ') if rng.random() < 0.1 else sent
