"""What a look at the pipeline found, and what that means, in words."""

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime

from lab_utils.dashboard.market import readable_age

BEHIND_SECONDS = 5.0
"""Records that wait for less are on their way: Spark's own word of what it has read comes once a second."""
SILENT_SECONDS = 15.0
"""Spark tells of itself every ten seconds, even when nothing comes."""
QUIET_SECONDS = 60.0
"""How old the newest record of a running producer may be. Stocks stand still at night, and then say nothing."""


@dataclasses.dataclass(frozen=True)
class Hop:
    """One station of the pipeline."""

    name: str
    count: int | None = None
    """What has passed it so far; None when that cannot be known now."""
    of: str = "records"
    """What is counted."""
    per_second: float | None = None
    """Over the last ten seconds."""
    age: float | None = None
    """Of the newest one, in seconds."""

    def words(self) -> list[str]:
        """The lines that stand below its name."""
        return [
            "away" if self.count is None else f"{self.count:,} {self.of}",
            "" if self.per_second is None else f"{self.per_second:,.1f} a second",
            "" if self.age is None else f"newest {readable_age(self.age)} ago",
        ]


@dataclasses.dataclass(frozen=True)
class Lag:
    """How far one query has read one partition."""

    query: str
    topic: str
    partition: int
    end: int
    """The offset that the next record will get."""
    done: int
    """The offset that the query will read next."""

    @property
    def records(self) -> int:
        """How many wait. Spark may have read more since we asked where the partition ends."""
        return max(self.end - self.done, 0)


@dataclasses.dataclass(frozen=True)
class Held:
    """What a table has."""

    table: str
    rows: int
    newest: datetime | None
    """By event time."""
    duplicates: int
    """Rows that are among the dead letters too, or twice in the table."""


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """The whole of it at one moment."""

    at: datetime
    hops: tuple[Hop, ...]
    lags: tuple[Lag, ...] = ()
    producers: tuple[str, ...] = ()
    """The asset classes whose producer runs."""
    held_by_producers: int = 0
    is_streaming: bool = False
    """Whether `lab stream` runs, or `lab start` has started it."""
    is_starting: bool = False
    """Whether it runs, and has not told of a batch yet."""
    spark_age: float | None = None
    """Seconds since each of Spark's queries has told of itself."""
    in_per_second: float | None = None
    """What Kafka takes in."""
    out_per_second: float | None = None
    """What Spark takes out."""
    latency_ms: tuple[int, int] | None = None
    """Half and 95 of 100 ticks of the last minute were in their table so many milliseconds after the producer had them."""
    tables: tuple[Held, ...] = ()
    dead_letters: tuple[tuple[str, int], ...] = ()
    """Reasons and how often, of the last hour that has any."""
    recent_dead_letters: int = 0
    """In the last minute."""
    watermark: datetime | None = None
    late_ticks: int = 0
    state_rows: int = 0
    state_bytes: int = 0
    away: tuple[str, ...] = ()
    """The servers that do not answer, each with what to do."""

    @property
    def waiting(self) -> int:
        """Records that the tick query has not read yet."""
        return sum(lag.records for lag in self.lags if lag.query == "ticks")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One sentence about the pipeline."""

    words: str
    is_trouble: bool = True


def findings(seen: Pipeline) -> list[Finding]:
    """What is to be said of it: the troubles, the worst first, or that all is well."""
    return list(_troubles(seen)) or [Finding(_well(seen), is_trouble=False)]


def _troubles(seen: Pipeline) -> Iterator[Finding]:
    yield from map(Finding, seen.away)
    if not seen.is_streaming:
        waits = f"; {_records(seen.waiting, 'waits', 'wait')} for it" if seen.waiting else ""
        yield Finding(f"Spark is not running{waits}. Start it with: lab stream")
    elif seen.is_starting:
        yield Finding("Spark is starting.", is_trouble=False)
    elif seen.spark_age is not None and seen.spark_age > SILENT_SECONDS and not seen.away:
        yield Finding(
            f"Spark runs, but a query has ended no batch for {readable_age(seen.spark_age)}. "
            "Look at its terminal, or after lab start at: lab logs stream"
        )
    elif (behind := _behind(seen)) is not None:
        yield Finding(behind)
    if seen.held_by_producers and any("Kafka" in words for words in seen.away):
        yield Finding(f"The producers hold {seen.held_by_producers:,} records until Kafka is back.")
    if not seen.producers:
        yield Finding("No producer runs, so nothing new comes. Start one with: lab produce crypto")
    elif seen.hops and (seen.hops[0].age or 0) > QUIET_SECONDS:
        yield Finding(f"The APIs have sent nothing for {readable_age(seen.hops[0].age or 0)}.")
    if seen.recent_dead_letters:
        yield Finding(
            f"{_records(seen.recent_dead_letters, 'was', 'were')} refused in the last minute; why is in the table dead_letters."
        )


def _records(count: int, *verbs: str) -> str:
    return f"{count:,} record{'s ' + verbs[1] if count != 1 else ' ' + verbs[0]}"


def _behind(seen: Pipeline) -> str | None:
    """How far Spark is behind, when it is: by more than a few seconds of what comes in."""
    comes, goes = seen.in_per_second, seen.out_per_second
    if comes is None or goes is None or seen.waiting <= BEHIND_SECONDS * max(comes, 1):
        return None
    says = f"Spark is behind by {seen.waiting:,} records: {comes:,.0f} in a second, {goes:,.0f} out"
    if goes > comes:
        return f"{says}. It will have caught up in {readable_age(seen.waiting / (goes - comes))}."
    return f"{says}. It falls further behind."


def _well(seen: Pipeline) -> str:
    if seen.latency_ms is None:
        return "All parts run."
    half, most = seen.latency_ms
    return (
        f"All is well: half of the ticks are in their table within {_seconds(half)} s, 95 of 100 within "
        f"{_seconds(most)} s."
    )


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f}"


def table_of_lags(lags: Sequence[Lag]) -> list[list[str]]:
    """Rows for a table: topic and partition, where it ends, and what waits for each query."""
    queries = sorted({lag.query for lag in lags})
    places = sorted({(lag.topic, lag.partition, lag.end) for lag in lags})
    waiting = {(lag.query, lag.topic, lag.partition): lag.records for lag in lags}
    head = ["topic", "partition", "next offset", *(f"waits for {query}" for query in queries)]
    rows = [
        [topic, str(partition), f"{end:,}"]
        + [f"{waiting[key]:,}" if (key := (query, topic, partition)) in waiting else "" for query in queries]
        for topic, partition, end in places
    ]
    return [head, *rows]
