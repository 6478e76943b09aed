"""The sink: each valid record is in its table exactly once, each other one in `dead_letters` exactly once.

Spark calls a foreachBatch function *at least* once a batch: after a crash the last batch comes again. What makes
the effect exactly-once is that everything a batch changes is one transaction, and that the transaction can be
repeated:

- **one transaction a batch**: a killed driver, worker or database leaves all of the batch or nothing of it;
- **the marker** (`stream_commits`, key query id + batch id): a batch that is in already is skipped. It is written in
  the same transaction; a marker kept elsewhere, or committed before or after, can disagree with the rows. It has a
  fingerprint of the batch as well: a checkpoint that fell back (a backup, a disk that lost its last writes) gives the
  number of a stored batch to another one, with records that are nowhere yet;
- **the key** (Kafka partition and offset): a *new* checkpoint reads the topic again under a new query id, so the
  marker does not know its batches, but the rows still have their names. Spark's own partition number or a generated
  id would not do: they differ from run to run;
- **the advisory lock**: two sinks started by mistake write one after the other;
- **COPY into a temporary table, then INSERT … ON CONFLICT DO NOTHING**, for a batch that has rows that are there
  already, or late ones: COPY is the fast way in and cannot skip a row. Most batches have neither, and go straight
  into the table, which is nearly twice as fast; the key tells them apart, so nothing depends on a guess.

What passes by itself (a database that restarts, a deadlock, a full disk) is tried again with growing pauses; what
does not fails the query at once and names the record. Skipping it would lose it; trying it for ever would hide it.

`synchronous_commit` stays on: Spark notes a batch as done after our commit returned, and a database that then lost
the commit would never be sent the batch again.
"""

import csv
import dataclasses
import hashlib
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from io import BytesIO, StringIO
from typing import Any

import psycopg2
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from lab_utils import db_utils
from lab_utils.errors import LabError
from lab_utils.ticks import ASSETS, Asset

log = logging.getLogger(__name__)

RETRY_SECONDS = 120
"""How long after its first failure a batch is still tried again."""
COPY_BYTES = 1 << 18
"""How much of a batch is sent at a time."""
RETRYABLE = ("08", "40001", "40P01", "53", "57P")
"""SQLSTATEs (or classes) that pass by themselves: connection, serialisation, deadlock, resources, shutdown."""

CANDLE_COLUMNS = (
    *("asset_class", "symbol", "currency", "window_start"),
    *("open", "high", "low", "close", "volume", "tick_count"),
)
DEAD_LETTERS = "dead_letters"
DEAD_LETTER_COLUMNS = ("topic", "kafka_partition", "kafka_offset", "raw", "reason")


class RefusedRecordError(Exception):
    """A record that its table does not take, with the database's reason; it will not do so at another try."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"PostgreSQL refused the record at {place}: {reason}")


def tick_columns(asset: Asset) -> tuple[str, ...]:
    """The columns of `asset`'s table, in the order of the CSV lines."""
    return (*asset.line_fields, "kafka_partition", "kafka_offset")


@dataclasses.dataclass(frozen=True)
class BatchId:
    """A batch by the name under which Spark sends it again: it survives a restart, unlike Spark's partition ids."""

    query_id: str
    batch_id: int
    fingerprint: str = ""
    """Of what is in it (`fingerprint`). A batch of this name and another fingerprint is not the one that was stored."""


def fingerprint(*parts: bytes) -> str:
    """For a `BatchId`: the same for the same bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class Batch:
    """The records of one batch as CSV text."""

    lines: Mapping[str, bytes]
    """Table name → lines in the order of the table's columns."""
    earliest: Mapping[str, datetime] = dataclasses.field(default_factory=dict)
    """Table name → the earliest event time of its ticks; where it is not known, any of them may be late."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return not any(self.lines.values())


class PostgresSink:
    """Writes batches in one transaction each, over one connection that it opens again when it breaks."""

    def __init__(self, name: str, role: str = "lab_writer") -> None:
        """`name` is the sink's name in `stream_commits`."""
        self.name = name
        self.rows = 0
        """Rows that this sink has brought in."""
        self._role = role
        self._connection: Any = None

    def write(self, change: Callable[[Any], int], batch: BatchId | None = None) -> bool:
        """Run `change` in a transaction, once; whether it was not in already.

        Args:
            change: gets a cursor and returns how many rows it brought. It runs again when the transaction failed
                for a reason that passes.
            batch: names the change; without it the change itself must tolerate being repeated.

        Raises:
            LabError: the database is not there, or refuses the password.
            RefusedRecordError: the database refused a record.
            psycopg2.Error: it refused the change itself.
        """
        for attempt in Retrying(
            retry=retry_if_exception(is_passing),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            stop=_stop_after(RETRY_SECONDS),
            before_sleep=self._say,
            reraise=True,
        ):
            with attempt:
                return self._once(change, batch)
        raise AssertionError("unreachable")

    def _once(self, change: Callable[[Any], int], batch: BatchId | None) -> bool:
        if self._connection is None or self._connection.closed:
            self._connection = db_utils.connect(self._role)
        try:
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"sink {self.name}",))
                if batch is not None and not self._mark(cursor, batch):
                    log.info("event=batch_skipped sink=%s batch=%d", self.name, batch.batch_id)
                    return False
                started = time.monotonic()
                rows = change(cursor)
                if batch is not None:
                    cursor.execute(
                        "UPDATE stream_commits SET row_count = %s WHERE (sink, query_id, batch_id) = (%s, %s, %s)",
                        (rows, self.name, batch.query_id, batch.batch_id),
                    )
            self.rows += rows
            log.info(
                "event=batch_stored sink=%s batch=%s rows=%d seconds=%.3f",
                *(self.name, batch.batch_id if batch else "-", rows, time.monotonic() - started),
            )
        except psycopg2.Error:
            # Its state is unknown: a COMMIT may have been cut off after it took effect. The marker tells next time.
            self.close()
            raise
        return True

    def _mark(self, cursor: Any, batch: BatchId) -> bool:
        """Note a batch; whether it was not noted before."""
        cursor.execute(
            "INSERT INTO stream_commits (sink, query_id, batch_id, row_count, fingerprint) VALUES (%s, %s, %s, 0, %s) "
            "ON CONFLICT (sink, query_id, batch_id) DO UPDATE SET fingerprint = excluded.fingerprint "
            "WHERE stream_commits.fingerprint <> excluded.fingerprint "
            "RETURNING xmax <> 0",  # whether the row was there
            (self.name, batch.query_id, batch.batch_id, batch.fingerprint),
        )
        noted = cursor.fetchone()
        if noted is not None and noted[0]:
            log.warning("event=batch_is_another_one sink=%s batch=%d", self.name, batch.batch_id)
        return noted is not None

    def _say(self, state: RetryCallState, /) -> None:
        assert state.outcome is not None and state.next_action is not None
        error = str(state.outcome.exception()).strip().splitlines()[0]
        log.warning("event=retry sink=%s wait_seconds=%.1f error=%r", self.name, state.next_action.sleep, error)

    def close(self) -> None:
        """Close the connection; the next write opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _stop_after(seconds: float) -> Callable[[RetryCallState], bool]:
    """Give up so long after the first failure. A first try that takes long, for a large batch, costs no other one."""
    failures: list[float] = []

    def is_over(state: RetryCallState) -> bool:
        assert state.outcome_timestamp is not None
        failures.append(state.outcome_timestamp)
        return failures[-1] - failures[0] >= seconds

    return is_over


def is_passing(error: BaseException) -> bool:
    """Whether an error of the database may be gone at the next try."""
    if isinstance(error, LabError):  # raised by connect(); its cause is the driver's error, if it came that far
        cause = error.__cause__
        if cause is None:
            return "is not running" in error.what
        return is_passing(cause) and "authentication failed" not in str(cause)
    if not isinstance(error, psycopg2.Error):
        return False
    if error.pgcode is None:  # the connection broke, or could not be made
        return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    return error.pgcode.startswith(RETRYABLE)


def store_records(cursor: Any, batch: Batch, *, all_candles: bool = False) -> int:
    """Bring ticks and dead letters into their tables; how many records the batch has.

    Candles are written by Spark's other query, which drops ticks that come later than its watermark: their minutes
    are computed again from the table here. With `all_candles` the minutes of all new ticks are, for a writer that
    works without Spark.

    Raises:
        RefusedRecordError: a record does not fit its table.
    """
    count = 0
    for asset in ASSETS:
        if lines := batch.lines.get(asset.table):
            count += _store_ticks(cursor, asset, lines, batch.earliest.get(asset.table), all_candles=all_candles)
    if lines := batch.lines.get(DEAD_LETTERS):
        count += _stage(cursor, DEAD_LETTERS, DEAD_LETTER_COLUMNS, lines)
        columns = ", ".join(DEAD_LETTER_COLUMNS)
        cursor.execute(f"INSERT INTO dead_letters ({columns}) SELECT {columns} FROM staging ON CONFLICT DO NOTHING")
    return count


def _store_ticks(cursor: Any, asset: Asset, lines: bytes, earliest: datetime | None, *, all_candles: bool) -> int:
    # The lock settles who sees whom: a late tick is either in the table before the candle query closes its minute,
    # or this transaction sees that the minute is closed.
    cursor.execute("SELECT minute_of(watermark) FROM candle_watermark FOR UPDATE")
    closed_before = cursor.fetchone()[0]
    columns = tick_columns(asset)
    if not all_candles and earliest is not None and earliest >= closed_before:
        stored = _copy_if_all_are_new(cursor, asset.table, columns, lines)
        if stored is not None:
            return stored
    count = _stage(cursor, asset.table, columns, lines)
    _insert_staged_ticks(cursor, asset, "infinity" if all_candles else closed_before, all_candles=all_candles)
    return count


def _copy_if_all_are_new(cursor: Any, table: str, columns: Sequence[str], lines: bytes) -> int | None:
    """COPY straight into the table; None, and nothing done, when one of the rows is there already."""
    cursor.execute("SAVEPOINT before_copy")
    try:
        count = _copy(cursor, table, table, columns, lines)
    except psycopg2.errors.UniqueViolation:
        cursor.execute("ROLLBACK TO SAVEPOINT before_copy")
        return None
    cursor.execute("RELEASE SAVEPOINT before_copy")
    return count


def _stage(cursor: Any, table: str, columns: Sequence[str], lines: bytes) -> int:
    """Bring CSV lines into the temporary table `staging`, which is as `table` without the key; how many rows.

    It has the constraints as well: what `table` would refuse is refused here, where COPY can name the line.
    """
    cursor.execute("DROP TABLE IF EXISTS pg_temp.staging")
    cursor.execute(
        f"CREATE TEMPORARY TABLE staging (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS) ON COMMIT DROP"
    )
    return _copy(cursor, "staging", table, columns, lines)


def _copy(cursor: Any, into: str, table: str, columns: Sequence[str], lines: bytes) -> int:
    names = ", ".join(columns)
    try:
        cursor.copy_expert(f"COPY {into} ({names}) FROM STDIN WITH (FORMAT csv)", BytesIO(lines), COPY_BYTES)
    except (psycopg2.DataError, psycopg2.errors.NotNullViolation, psycopg2.errors.CheckViolation) as error:
        raise RefusedRecordError(_place_in(table, columns, lines, error), str(error).splitlines()[0]) from error
    return int(cursor.rowcount)


def _place_in(table: str, columns: Sequence[str], lines: bytes, error: psycopg2.Error) -> str:
    """Which record an error of COPY is about: the database names the line, and the line has the place in Kafka."""
    named = re.search(r"COPY \w+, line (\d+)", error.diag.context or "")
    rows = csv.reader(StringIO(lines.decode()))
    for row in rows:
        if named and rows.line_num >= int(named.group(1)):
            known = {asset.table: {"topic": asset.topic} for asset in ASSETS}.get(table, {})
            return "topic {topic}, partition {kafka_partition}, offset {kafka_offset}".format(
                **known, **dict(zip(columns, row, strict=False))
            )
    return f"an unknown place of {table}"


def _insert_staged_ticks(cursor: Any, asset: Asset, closed_before: datetime | str, *, all_candles: bool) -> None:
    columns = ", ".join(tick_columns(asset))
    cursor.execute(
        f"""
        WITH stored AS (
            INSERT INTO {asset.table} ({columns}) SELECT {columns} FROM staging
            ON CONFLICT DO NOTHING
            RETURNING symbol, currency, event_time
        ), touched AS (
            SELECT DISTINCT symbol, currency, minute_of(event_time) AS minute
            FROM stored
            WHERE event_time < %s
        )
        SELECT array_agg(symbol), array_agg(currency), array_agg(minute) FROM touched
        """,
        (closed_before,),
    )
    symbols, currencies, minutes = cursor.fetchone()
    if symbols:
        added = _refresh_candles(cursor, asset.name, symbols, currencies, minutes)
        if not all_candles:
            _count_late(cursor, added)


def _refresh_candles(
    cursor: Any, asset_class: str, symbols: list[str], currencies: list[str], minutes: list[datetime]
) -> int:
    cursor.execute(
        "SELECT refresh_candles(%s, %s::text[], %s::text[], %s::timestamptz[])",
        (asset_class, symbols, currencies, minutes),
    )
    return int(cursor.fetchone()[0])


def _count_late(cursor: Any, count: int) -> None:
    cursor.execute("UPDATE candle_watermark SET late_ticks = late_ticks + %s", (count,))


def store_candles(cursor: Any, lines: bytes, watermark: datetime) -> int:
    """Upsert candles, then settle the minutes that `watermark` closes; how many candles there are.

    Spark sends the full state of a candle each time, so the columns are overwritten, never added up. A candle with
    fewer ticks than the stored one comes from a query that began anew and has not read all of the minute yet.

    Args:
        lines: CSV in the order of `CANDLE_COLUMNS`.
        watermark: the one that Spark uses from the next batch on.
    """
    columns = ", ".join(CANDLE_COLUMNS)
    values = ", ".join(f"{name} = excluded.{name}" for name in CANDLE_COLUMNS[4:])
    count = _stage(cursor, "candles_1m", CANDLE_COLUMNS, lines)
    cursor.execute("SELECT minute_of(watermark) FROM candle_watermark FOR UPDATE")
    closed_before = cursor.fetchone()[0]
    cursor.execute(
        f"""
        INSERT INTO candles_1m AS stored ({columns}) SELECT {columns} FROM staging ORDER BY 1, 2, 3, 4
        ON CONFLICT (asset_class, symbol, currency, window_start) DO UPDATE SET {values}
        WHERE excluded.tick_count > stored.tick_count
        """
    )
    cursor.execute(
        "UPDATE candle_watermark SET watermark = greatest(watermark, %s) RETURNING minute_of(watermark)",
        (watermark,),
    )
    closes_before = cursor.fetchone()[0]
    if closed_before < closes_before:
        _settle(cursor, closed_before, closes_before)
    return count


def _settle(cursor: Any, start: datetime, end: datetime) -> None:
    """Compute again, from the ticks in the tables, the candles of the minutes from `start` to `end`."""
    # The second pair of bounds excludes nothing, as both are whole seconds: there is an index of that expression.
    second = "date_trunc('second', event_time AT TIME ZONE 'UTC')::timestamp(0)"
    bound = "(%s::timestamptz AT TIME ZONE 'UTC')::timestamp(0)"
    cursor.execute(
        f"""
        SELECT asset_class, array_agg(symbol), array_agg(currency), array_agg(minute)
        FROM (SELECT DISTINCT asset_class, symbol, currency, minute_of(event_time) AS minute
              FROM ticks
              WHERE event_time >= %s AND event_time < %s AND {second} >= {bound} AND {second} < {bound}) AS closing
        GROUP BY asset_class
        """,
        (start, end, start, end),
    )
    for asset_class, symbols, currencies, minutes in cursor.fetchall():
        _count_late(cursor, _refresh_candles(cursor, asset_class, symbols, currencies, minutes))
