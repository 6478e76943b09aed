"""What must be in the tables after some records, computed without Spark and without SQL, and what is there."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

from lab_utils import db_utils
from lab_utils.ticks import ASSETS, InvalidTickError, parse_tick

Place = tuple[str, int, int]
"""Topic, partition, offset."""
CandleKey = tuple[str, str, str, datetime]
"""Asset class, symbol, currency, minute."""


@dataclasses.dataclass(frozen=True)
class Message:
    """One record to send, and what the sender knows about it."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclasses.dataclass
class Contents:
    """What the tables hold; rows by place in Kafka, so that a record stored twice is one row too many."""

    ticks: dict[Place, dict[str, Any]]
    dead_letters: dict[Place, tuple[bytes | None, str]]
    candles: dict[CandleKey, tuple[Any, ...]]
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


def expected(records: Mapping[Place, Message]) -> Contents:
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


def expected_candles(ticks: Mapping[Place, Mapping[str, Any]]) -> dict[CandleKey, tuple[Any, ...]]:
    """The candles of ticks, by plain arithmetic."""
    names = {asset.topic: asset.name for asset in ASSETS}
    minutes: dict[CandleKey, list[tuple[Any, ...]]] = defaultdict(list)
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


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How what is stored differs from what was sent; all zero when the promise was kept."""

    records: int
    """Records in the topics."""
    missing: int = 0
    """Records that are in no table."""
    doubled: int = 0
    """Rows too many."""
    altered: int = 0
    """Ticks with other values than were sent, and dead letters with other bytes or another reason."""
    misplaced: int = 0
    """Ticks among the dead letters, dead letters among the ticks, rows that nobody sent."""
    wrong_candles: int = 0
    """Candles that are not those of the ticks."""

    @property
    def is_clean(self) -> bool:
        """Whether each record is stored once, as it was sent."""
        return not any(getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "records")


def compare(wanted: Contents, stored: Contents) -> Verdict:
    """How `stored` differs from `wanted`."""
    return Verdict(
        records=wanted.row_count,
        missing=len(wanted.places - stored.places),
        doubled=stored.row_count - len(stored.places),
        altered=_altered(wanted.ticks, stored.ticks) + _altered(wanted.dead_letters, stored.dead_letters),
        misplaced=len(stored.places - wanted.places)
        + len(set(stored.ticks) & set(wanted.dead_letters))
        + len(set(stored.dead_letters) & set(wanted.ticks)),
        wrong_candles=len(
            {key for key in {*wanted.candles, *stored.candles} if wanted.candles.get(key) != stored.candles.get(key)}
        ),
    )


def _altered(wanted: Mapping[Place, object], stored: Mapping[Place, object]) -> int:
    return sum(stored[place] != value for place, value in wanted.items() if place in stored)
