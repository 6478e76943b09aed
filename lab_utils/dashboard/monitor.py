"""The pipeline as a whole: `Monitor.look()` asks the producers, Kafka and PostgreSQL, and puts the answers together."""

import threading
import time
from collections import deque
from datetime import UTC, datetime

import psutil

from lab_utils.dashboard.database_side import Database, DatabaseSide
from lab_utils.dashboard.health import SILENT_SECONDS, Hop, Lag, Pipeline
from lab_utils.dashboard.kafka_side import KafkaSide, Topics
from lab_utils.errors import LabError
from lab_utils.producers.notes import Note, running_producers
from lab_utils.servers import postgres_server, processes
from lab_utils.servers.processes import STREAM

RATE_SECONDS = 10.0
"""Rates are over this time."""
SHARED_SECONDS = 0.8
"""A look that is no older serves the next caller, too: several windows cost no more than one."""
START_SECONDS = 60.0
"""How long Spark may take until its first batch has ended."""
HOPS = {"API": "from the APIs", "Kafka": "records", "Spark": "read", "PostgreSQL": "rows", "chart": "candles"}
"""The hops in their order, and what is counted at each."""


class Monitor:
    """Looks at the pipeline; keeps its connections, and what it saw in the last seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kafka = KafkaSide()
        self._database = DatabaseSide()
        self._seen: deque[tuple[float, dict[str, int]]] = deque()
        """When something was counted, and how much of it there was."""
        self._last: tuple[float, Pipeline] | None = None

    def look(self) -> Pipeline:
        """The pipeline now; servers that are away are named in it."""
        with self._lock:
            if self._last is None or time.monotonic() - self._last[0] > SHARED_SECONDS:
                found = self._look()
                self._last = time.monotonic(), found
            return self._last[1]

    def _look(self) -> Pipeline:
        away = []
        topics: Topics | None = None
        database: Database | None = None
        try:
            topics = self._kafka.look()
        except LabError as error:
            away.append(str(error))
        try:
            database = self._database.look()
        except LabError as error:
            away.append(str(error))
        return self._put_together(running_producers(), topics, database, tuple(away))

    def _put_together(
        self, notes: list[Note], topics: Topics | None, database: Database | None, away: tuple[str, ...]
    ) -> Pipeline:
        now = time.time()
        lags = _lags(topics, database)
        counts = _counts(notes, topics, lags, database)
        rates = self._rates(counts)
        ended = [row.ended.timestamp() for row in database.progress.values()] if database else []
        stream = processes.recorded_process(STREAM, STREAM)
        # Of two queries, the one that has been silent for longer: the other one may go on by itself.
        heard = max(min(ended, default=0), 0 if stream is None else _started_at(stream))
        # Where the database is elsewhere the queries may run on another machine, too: there only what they say tells.
        is_heard = postgres_server.is_elsewhere() and now - heard < SILENT_SECONDS
        state = database.progress.get("candles") if database else None
        ages = _ages(notes, topics, database)
        return Pipeline(
            at=datetime.fromtimestamp(now, UTC),
            hops=tuple(
                Hop(
                    name,
                    counts.get(name),
                    unit,
                    rates.get(name),
                    None if ages.get(name) is None else max(now - ages[name], 0),
                )
                for name, unit in HOPS.items()
            ),
            lags=tuple(lags),
            producers=tuple(sorted({note.asset for note in notes})),
            held_by_producers=sum(note.held for note in notes),
            is_streaming=stream is not None or is_heard,
            is_starting=stream is not None and heard > min(ended, default=0) and now - heard < START_SECONDS,
            spark_age=now - heard if heard else None,
            in_per_second=rates.get("Kafka"),
            out_per_second=rates.get("Spark"),
            latency_ms=database.latency_ms if database else None,
            tables=database.tables if database else (),
            dead_letters=database.slow.reasons if database else (),
            recent_dead_letters=database.slow.recently_refused if database else 0,
            watermark=database.watermark if database else None,
            late_ticks=database.late_ticks if database else 0,
            state_rows=state.state_rows if state else 0,
            state_bytes=state.state_bytes if state else 0,
            away=away,
        )

    def _rates(self, counts: dict[str, int]) -> dict[str, float]:
        """What each count grew by in a second; of a server that was away meanwhile, from its return on."""
        now = time.monotonic()
        self._seen.append((now, counts))
        while now - self._seen[0][0] > RATE_SECONDS:
            self._seen.popleft()
        rates = {}
        for name, count in counts.items():
            then, before = next((then, seen[name]) for then, seen in self._seen if name in seen)
            if now > then and count >= before:  # a topic or table that was emptied counts from zero
                rates[name] = (count - before) / (now - then)
        return rates

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._kafka.close()
            self._database.source.close()


def _lags(topics: Topics | None, database: Database | None) -> list[Lag]:
    if topics is None or database is None:
        return []
    read = {query: row.offsets for query, row in database.progress.items()} or {"ticks": {}}
    return [
        Lag(query, topic, partition, end, offsets.get(topic, {}).get(str(partition), 0))
        for query, offsets in sorted(read.items(), reverse=True)
        for (topic, partition), end in sorted(topics.ends.items())
        if query != "candles" or topic in offsets
    ]


def _counts(notes: list[Note], topics: Topics | None, lags: list[Lag], database: Database | None) -> dict[str, int]:
    """What has passed each hop, as far as it can be known now."""
    counts = {"API": sum(note.received for note in notes)}
    if topics is not None:
        counts["Kafka"] = topics.records
    if lags:
        counts["Spark"] = sum(lag.done for lag in lags if lag.query == "ticks")
    if database is not None:
        counts["PostgreSQL"] = sum(held.rows for held in database.tables)
        counts["chart"] = database.slow.candles
    return counts


def _ages(notes: list[Note], topics: Topics | None, database: Database | None) -> dict[str, float]:
    """When the newest record passed each hop, in seconds since 1970."""
    found: dict[str, float | None] = {"API": max((note.received_at or 0 for note in notes), default=None) or None}
    if topics is not None:
        found["Kafka"] = topics.newest
    if database is not None:
        found |= {
            name: database.progress[query].read_at.timestamp()
            for name, query in (("Spark", "ticks"), ("chart", "candles"))
            if query in database.progress and database.progress[query].read_at is not None
        }
        found["PostgreSQL"] = database.visible.timestamp() if database.visible else None
    return {name: when for name, when in found.items() if when is not None}


def _started_at(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.Error:
        return 0.0
