"""Keep what Spark says of each batch in PostgreSQL (`pipeline_progress`), so that it can be looked at afterwards.

Spark remembers the last batches of a query only while its driver lives. The rows are for the eye: they take no part in
what the sink promises. While the database is away they wait, the oldest are given up, and no query notices.
"""

import contextlib
import json
import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg2
from psycopg2.extras import execute_values
from py4j.protocol import Py4JError
from pyspark.sql.streaming.query import StreamingQuery

from lab_utils import db_utils
from lab_utils.errors import LabError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
REMEMBERED_BATCHES = 10
"""How many of its last batches Spark keeps for us; 100 is its default, and each look makes text of all of them."""
KEPT = timedelta(hours=6)
CLEAN_EVERY = 60
"""Looks between two removals of old rows."""
WAITING = 2000
"""Batches that wait while the database is away."""
COLUMNS = (
    *("query", "run_id", "batch_id", "at", "input_rows", "input_per_second", "processed_per_second"),
    *("phases", "offsets", "watermark", "state_rows", "state_bytes", "late_rows"),
)
INSERT = f"INSERT INTO pipeline_progress ({', '.join(COLUMNS)}) VALUES %s ON CONFLICT DO NOTHING"

Row = tuple[Any, ...]


def progress_row(progress: dict[str, Any]) -> Row:
    """A row of `pipeline_progress` from the JSON of one StreamingQueryProgress.

    `durationMs` has the phases of a batch (MicroBatchExecution.scala); `triggerExecution` is all of them together.
    """
    states = progress.get("stateOperators", [])
    offsets: dict[str, dict[str, int]] = {}
    for source in progress["sources"]:
        offsets.update(_offsets(source.get("endOffset")))
    watermark = progress.get("eventTime", {}).get("watermark")
    is_set = watermark is not None and not watermark.startswith("1970-01-01T00:00:00")  # before the first event
    return (
        progress["name"],
        progress["runId"],
        progress["batchId"],
        datetime.fromisoformat(progress["timestamp"]),
        progress["numInputRows"],
        _rate(progress.get("inputRowsPerSecond")),
        _rate(progress.get("processedRowsPerSecond")),
        json.dumps(progress["durationMs"]),
        json.dumps(offsets),
        datetime.fromisoformat(watermark) if is_set else None,
        sum(state["numRowsTotal"] for state in states),
        sum(state["memoryUsedBytes"] for state in states),
        sum(state.get("numRowsDroppedByWatermark", 0) for state in states),
    )


def _offsets(text: Any) -> dict[str, dict[str, int]]:
    """The offsets of a Kafka source; Spark gives them as JSON inside the JSON, and none before the first batch."""
    found = json.loads(text) if isinstance(text, str) else text
    return found if isinstance(found, dict) else {}


def _rate(rows_per_second: object) -> float | None:
    """Spark writes NaN or infinity as text where it divided by zero."""
    return float(rows_per_second) if isinstance(rows_per_second, int | float) else None


@contextlib.contextmanager
def recorded(queries: Sequence[StreamingQuery]) -> Iterator[None]:
    """Keep the progress of queries for as long as the block runs."""
    recorder = Recorder(queries)
    recorder.start()
    try:
        yield
    finally:
        recorder.ended.set()
        recorder.join(timeout=10)  # it is a daemon: a database that hangs must not hold up the end


class Recorder(threading.Thread):
    """Looks at the queries once a second and writes what is new."""

    def __init__(self, queries: Sequence[StreamingQuery]) -> None:
        super().__init__(name="progress", daemon=True)
        self.ended = threading.Event()
        self._queries = queries
        self._seen: dict[str, tuple[int, str]] = {}
        """The newest batch of each query."""
        self._waiting: deque[Row] = deque(maxlen=WAITING)
        self._connection: Any = None
        self._is_away = False

    def run(self) -> None:
        """Record until `ended` is set, and once more."""
        looks = 0
        while not self.ended.wait(LOOK_SECONDS):
            self._look(clean=looks % CLEAN_EVERY == 0)
            looks += 1
        self._look(clean=False)
        if self._connection is not None:
            self._connection.close()

    def _look(self, *, clean: bool) -> None:
        with contextlib.suppress(Py4JError, OSError):  # the JVM is gone: the pipeline says so
            self._waiting.extend(self._new_rows())
        try:
            self._write(list(self._waiting), clean=clean)
        except (LabError, psycopg2.Error) as error:
            if not self._is_away:
                log.warning("event=progress_waits reason=%r", str(error).strip().splitlines()[0])
            self._is_away = True
            self._connection = None
        else:
            self._waiting.clear()
            self._is_away = False

    def _new_rows(self) -> Iterator[Row]:
        """The batches since the last look, the oldest first; through py4j, as PySpark makes objects of all it knows."""
        for query in self._queries:
            seen = self._seen.get(query.name, (-1, ""))
            new: list[dict[str, Any]] = []
            for progress in reversed(query._jsq.recentProgress()):
                if (progress.batchId(), progress.timestamp()) <= seen:
                    break
                new.append(json.loads(progress.json()))
            if new:
                self._seen[query.name] = new[0]["batchId"], new[0]["timestamp"]
            yield from map(progress_row, reversed(new))

    def _write(self, rows: Sequence[Row], *, clean: bool) -> None:
        if not rows and not clean:
            return
        if self._connection is None:
            self._connection = db_utils.connect("lab_writer")
        with self._connection, self._connection.cursor() as cursor:
            if rows:
                execute_values(cursor, INSERT, rows)
            if clean:
                cursor.execute("DELETE FROM pipeline_progress WHERE at < now() - %s", (KEPT,))
