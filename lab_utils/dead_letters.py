"""Look at the dead letters of the producers, and send repaired ones to the topic they were meant for.

A replayed record carries the header `replayed-from` with the place of its dead letter. That header is the only note
of what was replayed: it is written by the broker together with the record or not at all, so no crash can
separate the two. Before anything is sent, the topic is read from the time of the oldest dead letter on, and what it
holds already is not sent again. Dead letters themselves stay until Kafka deletes them (after a week).
"""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kafka import TopicPartition

from lab_utils import kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import processes
from lab_utils.ticks import ASSETS, Asset, InvalidTickError, field_texts, make_tick, tick_json, utc_text

REPLAYED_FROM = "replayed-from"
"""Header of a replayed record: the name of its dead letter."""
REPAIRED = "repaired"
"""Header of a replayed record: the fields that were set, with commas."""
ACK_SECONDS = 30


@dataclass(frozen=True)
class DeadLetter:
    """One record of a dead-letter topic."""

    asset: Asset
    partition: int
    offset: int
    key: bytes | None
    raw: bytes | None
    headers: Mapping[str, str]
    time: datetime
    """When the broker took it."""

    @property
    def name(self) -> str:
        """Where it lies, as in `crypto_topic.dlq:0:12`."""
        return f"{self.asset.dead_letter_topic}:{self.partition}:{self.offset}"

    @property
    def reason(self) -> str:
        """Why it is no tick."""
        return self.headers.get("reason") or "no reason given"

    def as_dict(self) -> dict[str, Any]:
        """For JSON. `raw` is the text; bytes that are no text stand in `raw_base64` instead."""
        found: dict[str, Any] = {"name": self.name, "reason": self.reason, "time": utc_text(self.time)}
        found["key"] = None if self.key is None else self.key.decode(errors="replace")
        try:
            found["raw"] = None if self.raw is None else self.raw.decode()
        except UnicodeDecodeError:
            found["raw_base64"] = base64.b64encode(self.raw or b"").decode()
        return found


@dataclass
class Replay:
    """What became of the dead letters that were to be replayed."""

    sent: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    """Replayed before, and so left alone."""
    no_tick: dict[str, str] = field(default_factory=dict)
    """Still no tick, with the reason."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"sent": self.sent, "already_replayed": self.already, "no_tick": self.no_tick}


def read_all() -> list[DeadLetter]:
    """All dead letters of the producers, in the order of the broker's time.

    Raises:
        LabError: the broker does not run.
    """
    assets = {asset.dead_letter_topic: asset for asset in ASSETS}
    starts = dict.fromkeys(_partitions(assets))
    letters = [
        DeadLetter(
            assets[record.topic],
            record.partition,
            record.offset,
            record.key,
            record.value,
            {name: (value or b"").decode(errors="replace") for name, value in record.headers},
            datetime.fromtimestamp(record.timestamp / 1000, UTC),
        )
        for record in _records(starts)
    ]
    return sorted(letters, key=lambda letter: (letter.time, letter.name))


def replayed(letters: Iterable[DeadLetter]) -> set[str]:
    """The names of those that are in their topic already.

    Raises:
        LabError: the broker does not run.
    """
    oldest: dict[str, datetime] = {}
    for letter in letters:
        topic = letter.asset.topic
        oldest[topic] = min(letter.time, oldest.get(topic, letter.time))
    if not oldest:
        return set()
    starts = {place: int(oldest[place.topic].timestamp() * 1000) for place in _partitions(oldest)}
    return {
        (value or b"").decode(errors="replace")
        for record in _records(starts)
        for name, value in record.headers
        if name == REPLAYED_FROM
    }


def counts(letters: Iterable[DeadLetter], done: set[str]) -> list[tuple[str, int, int, str]]:
    """By topic and reason: the reason, how many, how many of them replayed, and the name of the newest; the most frequent first."""
    total: Counter[tuple[str, str]] = Counter()
    sent: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], str] = {}
    for letter in letters:
        kind = letter.asset.dead_letter_topic, letter.reason
        total[kind] += 1
        sent[kind] += letter.name in done
        newest[kind] = letter.name
    by_number = sorted(total, key=lambda kind: (-total[kind], kind))
    return [(kind[1], total[kind], sent[kind], newest[kind]) for kind in by_number]


def find(letters: Iterable[DeadLetter], names: Iterable[str]) -> list[DeadLetter]:
    """The dead letters of these names.

    Raises:
        LabError: one is not there.
    """
    by_name = {letter.name: letter for letter in letters}
    wanted = list(names)
    for name in wanted:
        if name not in by_name:
            raise LabError(f"There is no dead letter {name}.", "See which there are: lab dead-letters list --each")
    return [by_name[name] for name in wanted]


def parse_changes(texts: Iterable[str]) -> dict[str, str]:
    """The changes in texts such as `price=1.5`.

    Raises:
        LabError: one is not of that form, or names no field of a tick.
    """
    changes: dict[str, str] = {}
    known = {name for asset in ASSETS for name in asset.tick.rules()}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise LabError(
                f"{text!r} sets no field of a tick.", f"Write FIELD=VALUE; there are {', '.join(sorted(known))}."
            )
        changes[name] = value
    return changes


def read_repairs(path: Path) -> dict[str, bytes]:
    """The repaired values in a file of JSON lines as `lab dead-letters list --json` prints them, by name.

    Raises:
        LabError: the file cannot be read, or a line lacks `name` or the text `raw`.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path} cannot be read ({error}).", "Give a file of JSON lines in UTF-8.") from None
    repairs = {}
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
            if "raw" not in found:
                continue  # bytes that are no text cannot have been edited here
            repairs[str(found["name"])] = str(found["raw"]).encode()
        except (ValueError, TypeError, KeyError):
            raise LabError(
                f"Line {number} of {path} is no dead letter.",
                "Write the file with `lab dead-letters list --json` and change only what stands in raw.",
            ) from None
    return repairs


def replay(
    letters: Iterable[DeadLetter], changes: Mapping[str, str], repairs: Mapping[str, bytes] | None = None
) -> Replay:
    """Send to their topics those that are ticks now and were not sent before.

    Args:
        letters: which ones.
        changes: field values to set in each.
        repairs: by name, what to take instead of the bytes of a dead letter.

    Raises:
        LabError: the broker does not run or does not take a record, or another replay runs.
    """
    wanted = list(letters)
    outcome = Replay()
    with _only_one():
        done = replayed(wanted)
        producer = kafka_utils.make_producer()
        try:
            sent = []
            for letter in wanted:
                if letter.name in done:
                    outcome.already.append(letter.name)
                    continue
                raw = (repairs or {}).get(letter.name, letter.raw)
                try:
                    sent.append((letter.name, _send(producer, letter, raw, changes)))
                    done.add(letter.name)
                except InvalidTickError as error:
                    outcome.no_tick[letter.name] = str(error)
            for name, future in sent:
                future.get(timeout=ACK_SECONDS)
                outcome.sent.append(name)
        finally:
            producer.close(timeout=ACK_SECONDS)
    return outcome


def _send(producer: Any, letter: DeadLetter, raw: bytes | None, changes: Mapping[str, str]) -> Any:
    """Raises InvalidTickError when it is still no tick."""
    try:
        fields = dict(field_texts(raw))
    except InvalidTickError:
        if not changes:
            raise
        fields = {}
    key = (letter.key or b"").decode(errors="replace") or None
    defaults = {"symbol": key, "version": "1", "source": "replay"}
    fields = {**defaults, **fields, **changes}
    tick = make_tick(letter.asset, {**fields, "ingest_time": datetime.now(UTC)})
    headers = [(REPLAYED_FROM, letter.name.encode()), (REPAIRED, ",".join(sorted(changes)).encode())]
    return producer.send(letter.asset.topic, key=tick.symbol.encode(), value=tick_json(tick), headers=headers)


@contextmanager
def _only_one() -> Iterator[None]:
    with processes.lock("replay") as is_ours:
        if not is_ours:
            raise LabError("Another replay runs.", "Try again when it has ended.")
        yield


def _partitions(topics: Iterable[str]) -> list[TopicPartition]:
    """All there are: a topic elsewhere may have been made with more, or given more later."""
    return [TopicPartition(*place) for place in kafka_utils.end_offsets(topics)]


def _records(starts: Mapping[TopicPartition, int | None]) -> Iterator[Any]:
    """The records that are there now, each partition from a time in milliseconds, or from its beginning."""
    consumer = kafka_utils.make_consumer()
    try:
        ends = consumer.end_offsets(list(starts))
        times = {place: time for place, time in starts.items() if time is not None}
        found = consumer.offsets_for_times(times) if times else {}
        consumer.assign(list(starts))
        for place, time in starts.items():
            if time is None:
                consumer.seek_to_beginning(place)
            elif found.get(place) is None:
                consumer.seek(place, ends[place])  # nothing is that young
            else:
                consumer.seek(place, found[place].offset)
        while any(consumer.position(place) < end for place, end in ends.items()):
            for place, records in consumer.poll(timeout_ms=1000).items():
                yield from (record for record in records if record.offset < ends[place])
    finally:
        consumer.close()
