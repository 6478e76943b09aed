"""Records of a topic, raw and parsed: look at the last ones, send one by hand, and follow it to its row."""

import dataclasses
import json
import time
from datetime import UTC, datetime
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError
from sqlalchemy import Connection, text

from lab_utils import kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import kafka_server
from lab_utils.ticks import ASSETS, Asset, InvalidTickError, parse_tick, utc_text

READ_SECONDS = 3.0
ACK_SECONDS = 10
TOPICS = {topic: asset for asset in ASSETS for topic in (asset.topic, asset.dead_letter_topic)}


@dataclasses.dataclass(frozen=True)
class Message:
    """One record as it lies in a topic, and what the lab makes of it."""

    partition: int
    offset: int
    time: datetime
    """When the broker took it (UTC)."""
    key: str
    raw: str
    """Its value as text; bytes that are no UTF-8 stand as \\xNN."""
    meaning: str
    """The fields of the tick, or why it is none."""


@dataclasses.dataclass(frozen=True)
class Sent:
    """Where a record went that was sent by hand."""

    topic: str
    partition: int
    offset: int
    at: float
    """When the broker had it, in seconds since 1970."""


def peek(topic: str, count: int = 5) -> list[Message]:
    """The last records of a topic, the newest first; reading them moves nobody's offsets.

    Raises:
        LabError: the broker is away.
    """
    consumer = kafka_utils.make_consumer(fetch_max_wait_ms=50)
    try:
        parts = [TopicPartition(topic, part) for part in consumer.partitions_for_topic(topic) or ()]
        ends = {part: end for part, end in consumer.end_offsets(parts).items() if end}
        firsts = consumer.beginning_offsets(list(ends))
        consumer.assign(list(ends))
        for part, end in ends.items():
            consumer.seek(part, max(end - count, firsts[part]))
        found: list[Any] = []
        deadline = time.monotonic() + READ_SECONDS
        while any(consumer.position(part) < end for part, end in ends.items()) and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=100).values():
                found += records
    except KafkaError as error:
        raise kafka_utils.no_answer(kafka_server.bootstrap_servers(), error) from None
    finally:
        consumer.close()
    newest = sorted(found, key=lambda record: (record.timestamp, record.partition, record.offset))[-count:]
    return [_message(TOPICS[topic], record) for record in reversed(newest)]


def _message(asset: Asset, record: Any) -> Message:
    when = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return Message(
        record.partition, record.offset, when, _text(record.key), _text(record.value), _meaning(asset, record, when)
    )


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode(errors="backslashreplace")


def _meaning(asset: Asset, record: Any, when: datetime) -> str:
    if record.topic == asset.dead_letter_topic:
        return f"refused: {_text(dict(record.headers).get('reason')) or 'no reason given'}"
    try:
        tick = parse_tick(asset, record.value, when)
    except InvalidTickError as error:
        return f"no tick: {error}"
    size = "" if tick.size is None else f", size {tick.size:f}"
    return f"{tick.symbol} {tick.price:f} {tick.currency}{size}, {tick.event_time:%H:%M:%S} UTC, from {tick.source}"


def example(now: datetime) -> str:
    """A tick to begin with, as JSON; of a symbol that no market has, so that no candle is spoilt."""
    fields = {
        "symbol": "TEST",
        "currency": "USD",
        "price": 100.25,
        "size": 1,
        "event_time": utc_text(now),
        "ingest_time": utc_text(now),
        "source": "by hand",
        "version": 1,
    }
    return json.dumps(fields)


def publish(topic: str, value: str) -> Sent:
    """Send a text as it is, good or bad, keyed by its symbol if it has one.

    Raises:
        LabError: the broker does not take it.
    """
    producer = kafka_utils.make_producer(delivery_timeout_ms=ACK_SECONDS * 1000, request_timeout_ms=ACK_SECONDS * 500)
    try:
        placed = producer.send(topic, key=_key(value), value=value.encode()).get(timeout=ACK_SECONDS)
    except KafkaError as error:
        raise LabError(
            f"Kafka did not take the record ({type(error).__name__}).", "See `lab status`, then run: lab up"
        ) from None
    finally:
        producer.close(timeout=1)
    return Sent(topic, placed.partition, placed.offset, time.time())


def _key(value: str) -> bytes | None:
    try:
        symbol = json.loads(value)["symbol"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    # JSON may name half of a character (\ud800), which has no bytes.
    return symbol.encode(errors="replace") if isinstance(symbol, str) else None


def follow(connection: Connection, sent: Sent) -> str:
    """How far a record has come, in words."""
    place = f"{sent.topic}, partition {sent.partition}, offset {sent.offset}"
    asset = TOPICS[sent.topic]
    which = {"topic": sent.topic, "part": sent.partition, "place": sent.offset}
    row = connection.execute(
        text(
            f"SELECT symbol, price, pg_xact_commit_timestamp(xmin) FROM {asset.table} "
            "WHERE kafka_partition = :part AND kafka_offset = :place"
        ),
        which,
    ).one_or_none()
    if row is not None and sent.topic == asset.topic:
        symbol, price, visible = row
        return (
            f"{place} → a row of {asset.table}: {symbol} at {price.normalize():f}, "
            f"{_waited(visible, sent)} after Kafka had it."
        )
    refused = connection.execute(
        text(
            "SELECT reason, seen_at FROM dead_letters "
            "WHERE topic = :topic AND kafka_partition = :part AND kafka_offset = :place"
        ),
        which,
    ).one_or_none()
    if refused is not None:
        return f"{place} → a dead letter, {_waited(refused[1], sent)} after Kafka had it: {refused[0]}"
    return f"{place} → in no table yet."


def _waited(until: datetime, sent: Sent) -> str:
    return f"{max(until.timestamp() - sent.at, 0):.1f} s"
