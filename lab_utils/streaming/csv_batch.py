"""Records as the CSV lines that COPY reads: the general way, by the contract's own code, for any record.

The plain consumer sends every record through here, the Spark path those that it did not recognise as plain ticks.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from lab_utils.streaming.postgres_sink import DEAD_LETTERS, Batch
from lab_utils.ticks import ASSETS, InvalidTickError, parse_tick


class Record(NamedTuple):
    """One record of a topic."""

    topic: str
    partition: int
    offset: int
    broker_time: datetime
    """When the broker took it."""
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def csv_batch(records: Iterable[Record]) -> Batch:
    """The lines of each table, and the earliest event time among them."""
    lines: dict[str, list[str]] = defaultdict(list)
    earliest: dict[str, datetime] = {}
    for record in records:
        table, line, event_time = _csv_line(record)
        lines[table].append(line)
        if event_time is not None:
            earliest[table] = min(event_time, earliest.get(table, event_time))
    return Batch({table: "".join(part).encode() for table, part in lines.items()}, earliest)


def _csv_line(record: Record) -> tuple[str, str, datetime | None]:
    """The table that a record belongs to, its line, and the event time of a tick."""
    place = f"{record.partition},{record.offset}"
    for asset in ASSETS:
        if record.topic == asset.topic:
            try:
                tick = parse_tick(asset, record.value, record.broker_time)
            except InvalidTickError as error:
                return DEAD_LETTERS, _dead_letter_line(record, place, str(error)), None
            values = tick.model_dump()
            fields = ("" if values[name] is None else str(values[name]) for name in asset.line_fields)
            return asset.table, f"{','.join(fields)},{place}\n", tick.event_time
    return DEAD_LETTERS, _dead_letter_line(record, place, _sent_reason(record)), None


def _sent_reason(record: Record) -> str:
    """The reason that a producer wrote into the headers of its dead letter."""
    sent = next((value for name, value in record.headers if name == "reason"), None)
    return "dead letter without a reason" if sent is None else sent.decode(errors="replace")


def _dead_letter_line(record: Record, place: str, reason: str) -> str:
    raw = "" if record.value is None else f"\\x{record.value.hex()}"
    quoted = reason.replace("\0", "").replace('"', '""')
    return f'{record.topic},{place},{raw},"{quoted}"\n'
