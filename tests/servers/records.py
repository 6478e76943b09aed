"""Records for the server tests; what must become of them is `lab_utils.torture.audit`'s to say."""

import base64
import gzip
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from lab_utils import kafka_utils
from lab_utils.settings import ROOT
from lab_utils.ticks import ASSETS, CRYPTO, STOCKS, Asset, InvalidTickError, Tick, parse_tick
from lab_utils.torture.audit import Message, Place, contents, expected, expected_candles

__all__ = ["Message", "Place", "contents", "expected", "expected_candles"]

SAMPLES = ROOT / "data_samples"
RECORDED_DAY, PAST_DAY = b"2026-11-02", b"2024-11-04"
"""The samples are moved to a day that has passed on any clock: a tick far ahead of the broker is none."""


def awkward_cases() -> list[dict[str, Any]]:
    """The lines of `awkward_messages.jsonl`, the bytes of each under `bytes`."""
    cases = [json.loads(line) for line in (SAMPLES / "awkward_messages.jsonl").read_bytes().splitlines()]
    for case in cases:
        text = case.get("value")
        raw = base64.b64decode(case["value_base64"]) if "value_base64" in case else text and text.encode()
        case["bytes"] = b"" if text == "" else raw.replace(RECORDED_DAY, PAST_DAY) if raw else None
    return cases


def sample_values(asset: Asset, count: int) -> list[bytes]:
    """The first ticks of a recording."""
    name = {"crypto": "crypto_ticks", "stock": "stock_ticks"}[asset.name]
    with gzip.open(SAMPLES / f"{name}.jsonl.gz") as lines:
        return [line.strip().replace(RECORDED_DAY, PAST_DAY) for line, _ in zip(lines, range(count), strict=False)]


def sample_messages(count: int, skip: int = 0) -> list[Message]:
    """The first ticks of both recordings, after `skip` of each."""
    return [
        Message(asset.topic, value, json.loads(value)["symbol"].encode())
        for asset in ASSETS
        for value in sample_values(asset, skip + count)[skip:]
    ]


def awkward_messages() -> list[Message]:
    """The awkward messages as records."""
    return [
        Message(case["topic"], case["bytes"], case["key"].encode() if case["key"] else None) for case in awkward_cases()
    ]


def dead_letter_messages() -> list[Message]:
    """Records of the dead-letter topics, as a producer sends them and as it should not."""
    reasons = [
        b"price: missing",
        b"",
        b"\xff\xfe",
        b'two\nlines, a "quote" and \\',
        b"a\0b",
        "\N{ROCKET}".encode(),
    ]
    return [
        *(Message(f"{CRYPTO.topic}.dlq", b"rubbish", None, (("reason", reason),)) for reason in reasons),
        Message(f"{STOCKS.topic}.dlq", None, b"MSFT"),
        Message(f"{STOCKS.topic}.dlq", b"\xff\0", b"AAPL", (("source", b"test"), ("reason", b"why"))),
    ]


def tick_json(symbol: str = "BTC", **changes: Any) -> bytes:
    """A sound tick at noon of the past day; `changes` are its other fields."""
    time = f"{PAST_DAY.decode()}T12:00:00Z"
    fields: dict[str, Any] = {"symbol": symbol, "currency": "USD", "price": "100.5", "size": "2"}
    fields |= {"event_time": time, "ingest_time": time, "source": "test", "version": 1}
    return json.dumps(fields | changes).encode()


def at(minutes: float) -> str:
    """The time so many minutes after noon of the past day, as ticks write it."""
    noon = datetime.fromisoformat(f"{PAST_DAY.decode()}T12:00:00+00:00")
    return (noon + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def send(messages: Iterable[Message], **options: Any) -> dict[Place, Message]:
    """Send records; where each of them lies."""
    producer = kafka_utils.make_producer(**options)
    try:
        sent = [
            (message, producer.send(message.topic, key=message.key, value=message.value, headers=list(message.headers)))
            for message in messages
        ]
        producer.flush(timeout=30)
        places = [(message, future.get(timeout=30)) for message, future in sent]
        return {(found.topic, found.partition, found.offset): message for message, found in places}
    finally:
        producer.close()


def parsed_by_python(asset: Asset, value: bytes | None, broker_time: datetime) -> Tick | str:
    """The tick, or the reason why it is none."""
    try:
        return parse_tick(asset, value, broker_time)
    except InvalidTickError as error:
        return str(error)
