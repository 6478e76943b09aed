"""Records for the server tests, and what must become of them, computed without Spark and without SQL."""

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from lab_utils import db_utils, kafka_utils
from lab_utils.settings import ROOT
from lab_utils.ticks import ASSETS, CRYPTO, STOCKS, Asset, InvalidTickError, Tick, parse_tick

SAMPLES = ROOT / "data_samples"
RECORDED_DAY, PAST_DAY = b"2026-11-02", b"2024-11-04"
"""The samples are moved to a day that has passed on any clock: a tick far ahead of the broker is none."""


@dataclass(frozen=True)
class Message:
    """One record to send, and what the sender knows about it."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


Place = tuple[str, int, int]
"""Topic, partition, offset."""


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


@dataclass
class Contents:
    """What the tables hold; rows by place in Kafka, so that a record stored twice is one row too many."""

    ticks: dict[Place, dict[str, Any]]
    dead_letters: dict[Place, tuple[bytes | None, str]]
    candles: dict[tuple[str, str, str, datetime], tuple[Any, ...]]
    row_count: int

    @property
    def places(self) -> set[Place]:
        """The records that are in one table or the other."""
        return set(self.ticks) | set(self.dead_letters)


def contents() -> Contents:
    """All rows of the tables, as they are now."""
    found = Contents({}, {}, {}, 0)
    with db_utils.cursor() as cursor:
        for asset in ASSETS:
            cursor.execute(f"SELECT * FROM {asset.table}")
            names = [column.name for column in cursor.description]
            for values in cursor.fetchall():
                row = dict(zip(names, values, strict=True))
                place = asset.topic, row.pop("kafka_partition"), row.pop("kafka_offset")
                found.ticks[place] = row
                found.row_count += 1
        cursor.execute("SELECT topic, kafka_partition, kafka_offset, raw, reason FROM dead_letters")
        for topic, partition, offset, raw, reason in cursor.fetchall():
            found.dead_letters[topic, partition, offset] = (None if raw is None else bytes(raw), reason)
            found.row_count += 1
        cursor.execute(
            "SELECT asset_class, symbol, currency, window_start, open, high, low, close, volume, tick_count "
            "FROM candles_1m"
        )
        found.candles = {row[:4]: row[4:] for row in cursor.fetchall()}
    return found


def expected(records: dict[Place, Message]) -> Contents:
    """What the tables must hold after these records, judged by `ticks.parse_tick` alone."""
    found = Contents({}, {}, {}, len(records))
    for place, message in records.items():
        asset = next((asset for asset in ASSETS if asset.topic == message.topic), None)
        if asset is None:
            sent = next((value for name, value in message.headers if name == "reason"), None)
            reason = "dead letter without a reason" if sent is None else sent.decode(errors="replace")
            found.dead_letters[place] = (message.value, reason.replace("\0", ""))
            continue
        try:
            tick = parse_tick(asset, message.value, datetime.now(UTC))
        except InvalidTickError as error:
            found.dead_letters[place] = (message.value, str(error))
        else:
            found.ticks[place] = tick.model_dump()
    found.candles = expected_candles(found.ticks)
    return found


def expected_candles(ticks: dict[Place, dict[str, Any]]) -> dict[tuple[str, str, str, datetime], tuple[Any, ...]]:
    """The candles of ticks, by plain arithmetic."""
    names = {asset.topic: asset.name for asset in ASSETS}
    minutes: dict[tuple[str, str, str, datetime], list[tuple[Any, ...]]] = defaultdict(list)
    for (topic, partition, offset), tick in ticks.items():
        minute = tick["event_time"].replace(second=0, microsecond=0)
        key = names[topic], tick["symbol"], tick["currency"], minute
        minutes[key].append((tick["event_time"], partition, offset, tick["price"], tick["size"] or Decimal(0)))
    candles = {}
    with localcontext(prec=60):
        for key, rows in minutes.items():
            prices = [row[3] for row in sorted(rows)]
            volume = sum((row[4] for row in rows), Decimal(0))
            candles[key] = (prices[0], max(prices), min(prices), prices[-1], volume, len(rows))
    return candles


def parsed_by_python(asset: Asset, value: bytes | None, broker_time: datetime) -> Tick | str:
    """The tick, or the reason why it is none."""
    try:
        return parse_tick(asset, value, broker_time)
    except InvalidTickError as error:
        return str(error)
