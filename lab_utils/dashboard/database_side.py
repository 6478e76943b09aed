"""What PostgreSQL holds at this moment, and what Spark has told of itself there (`pipeline_progress`)."""

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from lab_utils.dashboard.health import Held
from lab_utils.dashboard.source import Source
from lab_utils.kafka_utils import PARTITIONS
from lab_utils.ticks import ASSETS

SLOW_SECONDS = 10.0
"""How often the questions are asked that go through much of a table."""
NEWEST_ROWS = 200
"""Rows of each partition that the latency is taken from, at most."""

PROGRESS = text(
    """
    SELECT newest.*, read.ended AS read_at
    FROM (VALUES ('ticks'), ('candles')) AS queries(name)
    CROSS JOIN LATERAL (
        SELECT query, at + make_interval(secs => (phases ->> 'triggerExecution')::int / 1000.0) AS ended,
               offsets, state_rows, state_bytes
        FROM pipeline_progress WHERE query = name ORDER BY at DESC, batch_id DESC LIMIT 1
    ) AS newest
    LEFT JOIN LATERAL (
        SELECT at + make_interval(secs => (phases ->> 'triggerExecution')::int / 1000.0) AS ended
        FROM pipeline_progress WHERE query = name AND input_rows > 0 ORDER BY at DESC LIMIT 1
    ) AS read ON true
    """
)
"""Of each query its last word, and when it last read a record."""

# The newest rows by offset, each partition by itself: a few looks into the key. The time of the commit that made a row
# visible is PostgreSQL's own (track_commit_timestamp).
LATENCY = text(
    """
    SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM visible - ingest_time))
               FILTER (WHERE visible > now() - interval '1 minute') AS milliseconds,
           max(visible) AS visible
    FROM (
    """
    + " UNION ALL ".join(
        f"""
        SELECT ingest_time, pg_xact_commit_timestamp(row_xmin) AS visible
        FROM generate_series(0, :partitions - 1) AS p
        CROSS JOIN LATERAL (
            SELECT xmin AS row_xmin, ingest_time FROM {asset.table} WHERE kafka_partition = p
            ORDER BY kafka_offset DESC LIMIT {NEWEST_ROWS}
        ) AS newest_{asset.name}
        """
        for asset in ASSETS
    )
    + ") AS newest"
)

# Only what lies behind the offsets that were counted before. The file of a table is another one once it was emptied.
ROWS = {
    asset.table: text(
        f"""
        SELECT sum(found.rows)::bigint AS rows, jsonb_object_agg(p, found.last) AS last,
               pg_relation_filenode('{asset.table}') AS file
        FROM generate_series(0, :partitions - 1) AS p
        CROSS JOIN LATERAL (
            SELECT count(*) AS rows, max(kafka_offset) AS last FROM {asset.table}
            WHERE kafka_partition = p AND kafka_offset > coalesce((CAST(:known AS jsonb) ->> p::text)::bigint, -1)
        ) AS found
        """
    )
    for asset in ASSETS
}

# The key forbids two rows of one record in a table. What it cannot forbid is one that is in a table and refused as well.
DUPLICATES = {
    asset.table: text(
        f"SELECT count(*) FROM dead_letters JOIN {asset.table} USING (kafka_partition, kafka_offset) "
        f"WHERE topic = '{asset.topic}'"
    )
    for asset in ASSETS
}
NEWEST_EVENTS = text("SELECT asset_class, max(event_time) FROM latest_prices GROUP BY asset_class")
REASONS = text(
    """
    SELECT reason, count(*) FROM dead_letters
    WHERE seen_at > (SELECT max(seen_at) FROM dead_letters) - interval '1 hour'
    GROUP BY reason ORDER BY count(*) DESC, reason LIMIT 5
    """
)
RECENTLY_REFUSED = text("SELECT count(*) FROM dead_letters WHERE seen_at > now() - interval '1 minute'")
CANDLES = text("SELECT count(*) FROM candles_1m")
LATE = text("SELECT late_ticks, NULLIF(watermark, '-infinity') FROM candle_watermark")


@dataclasses.dataclass(frozen=True)
class Slow:
    """What is asked for less often."""

    duplicates: dict[str, int]
    """By table."""
    newest_events: dict[str, datetime]
    """By asset class."""
    reasons: tuple[tuple[str, int], ...]
    recently_refused: int
    candles: int


@dataclasses.dataclass(frozen=True)
class Database:
    """What PostgreSQL said."""

    progress: dict[str, Any]
    """The newest row of each query."""
    visible: datetime | None
    """When the newest tick became visible."""
    latency_ms: tuple[int, int] | None
    tables: tuple[Held, ...]
    late_ticks: int
    watermark: datetime | None
    slow: Slow


class DatabaseSide:
    """One engine for all looks; it remembers what it has counted."""

    def __init__(self) -> None:
        self.source = Source(statement_timeout="0")  # it counts whole tables, seldom
        self._counted: dict[str, tuple[int, dict[str, int], int]] = {}
        """Of each table: its rows, the last offset of each partition, its file."""
        self._slow: Slow | None = None
        self._slow_at = -math.inf

    def look(self) -> Database:
        """What it holds now.

        Raises:
            LabError: it is away.
        """
        return self.source.read(self._look)

    def _look(self, connection: Connection) -> Database:
        slow = self._look_slowly(connection)
        milliseconds, visible = connection.execute(LATENCY, {"partitions": PARTITIONS}).one()
        late_ticks, watermark = connection.execute(LATE).one()
        held = [
            Held(
                asset.table,
                self._rows(connection, asset.table),
                slow.newest_events.get(asset.name),
                slow.duplicates[asset.table],
            )
            for asset in ASSETS
        ]
        return Database(
            {row.query: row for row in connection.execute(PROGRESS)},
            visible,
            _pair(milliseconds),
            tuple(held),
            late_ticks,
            watermark,
            slow,
        )

    def _look_slowly(self, connection: Connection) -> Slow:
        if self._slow is None or time.monotonic() - self._slow_at > SLOW_SECONDS:
            self._slow = Slow(
                {table: connection.execute(query).scalar_one() for table, query in DUPLICATES.items()},
                dict(map(tuple, connection.execute(NEWEST_EVENTS))),
                tuple((reason, count) for reason, count in connection.execute(REASONS)),
                connection.execute(RECENTLY_REFUSED).scalar_one(),
                connection.execute(CANDLES).scalar_one(),
            )
            self._slow_at = time.monotonic()
        return self._slow

    def _rows(self, connection: Connection, table: str) -> int:
        rows, known, file = self._counted.get(table, (0, {}, 0))
        found = _more_rows(connection, table, known)
        if known and found.file != file:
            rows, known, found = 0, {}, _more_rows(connection, table, {})
        last = {part: offset for part, offset in found.last.items() if offset is not None}
        self._counted[table] = rows + found.rows, {**known, **last}, found.file
        return self._counted[table][0]


def _more_rows(connection: Connection, table: str, known: dict[str, int]) -> Any:
    return connection.execute(ROWS[table], {"partitions": PARTITIONS, "known": json.dumps(known)}).one()


def _pair(milliseconds: Sequence[float] | None) -> tuple[int, int] | None:
    if milliseconds is None or milliseconds[0] is None:
        return None
    return round(milliseconds[0]), round(milliseconds[1])
