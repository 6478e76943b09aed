"""Send ticks at a steady rate, each with the time at which it was sent."""

import time
from datetime import UTC, datetime
from typing import Any

from lab_utils import kafka_utils
from lab_utils.ticks import CRYPTO, utc_text

SLICE = 0.01
"""Seconds between two looks at the clock."""
SYMBOLS = (b"BTC", b"ETH", b"SOL", b"XRP", b"ADA", b"DOT", b"LTC", b"BCH")
TEMPLATE = (
    b'{"symbol":"%s","currency":"USD","price":50075.03,"size":0.48777,"event_time":"%s","ingest_time":"%s",'
    b'"source":"%s","version":1,"volume_24h":24000.00000,"market_cap":1479080097200.00,"change_pct_24h":-2.0300}'
)


def send_steadily(rate: int, seconds: float, source: str) -> int:
    """Send `rate` ticks a second to the crypto topic; how many.

    They carry `source`, and as event and ingest time the moment of sending. kafka-python sends some 14,000 messages
    a second on one core; a rate near that measures the sender.
    """
    producer = kafka_utils.make_producer(linger_ms=0)
    count = 0
    begin = time.monotonic()
    try:
        while (elapsed := time.monotonic() - begin) < seconds:
            due = int(elapsed * rate)
            for number in range(count, due):
                _send(producer, number, source)
            count = due
            time.sleep(max(0.0, SLICE - (time.monotonic() - begin - elapsed)))
        producer.flush()
    finally:
        producer.close()
    return count


def _send(producer: Any, number: int, source: str) -> None:
    producer.send(CRYPTO.topic, key=_symbol(number), value=message(number, source, datetime.now(UTC)))


def _symbol(number: int) -> bytes:
    return SYMBOLS[number % len(SYMBOLS)]


def message(number: int, source: str, time: datetime) -> bytes:
    """The value of a record as the lab's producers write it."""
    text = utc_text(time).encode()
    return TEMPLATE % (_symbol(number), text, text, source.encode())
