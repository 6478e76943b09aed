"""A pipeline under fire: a producer and the Spark queries as processes, and the audit of what came of it."""

import dataclasses
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from kafka import TopicPartition
from pyspark.sql.streaming.query import StreamingQuery

from lab_utils import db_utils, kafka_utils, stack
from lab_utils.servers import postgres_server, processes
from lab_utils.settings import settings
from lab_utils.streaming import pipeline
from lab_utils.streaming.postgres_sink import PostgresSink
from lab_utils.ticks import ASSETS
from lab_utils.torture.audit import Contents, Message, Place, Verdict, compare, contents, expected, expected_candles
from lab_utils.torture.messages import NUMBER, message
from lab_utils.waiting import WaitTimeout, wait_until

RATE = 100
"""Messages a second. What a fault meets is batches, five a second at any rate; what more messages add is to compare."""
RECOVER_SECONDS = 300
NUMBERS_PER_PRODUCER = 1_000_000
"""Each producer process numbers its messages from a multiple of this."""


@dataclasses.dataclass(frozen=True)
class Result:
    """What one round found."""

    verdict: Verdict
    lost: int
    """Messages that Kafka acknowledged and does not have."""
    sent_twice: int
    """Messages that are in Kafka more than once, although sent once."""
    changed: int
    """Messages that are in Kafka with other bytes than were sent."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing, doubled or altered anywhere."""
        return self.verdict.is_clean and not (self.lost or self.sent_twice or self.changed)


class Campaign:
    """Owns the processes. Each part that does not run is started again by `flow`."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.stream: subprocess.Popen[bytes] | None = None
        self.producer: subprocess.Popen[str] | None = None
        self._acknowledged = settings().state_dir / "torture.acknowledged"
        self._producers = 0
        self._log_start = 0
        self.forget()

    def forget(self) -> None:
        """Begin anew with empty topics, tables and checkpoints; the stream must not run."""
        self.stop_producer()
        empty_everything()
        self._begin = datetime.now(UTC) - timedelta(hours=1)
        self._acknowledged.unlink(missing_ok=True)
        self._read_to: dict[tuple[str, int], int] = {}
        self._numbers: Counter[int] = Counter()
        self._changed = 0
        self._wanted = Contents({}, {}, {}, 0)

    @property
    def stream_log(self) -> Path:
        """The log of the stream's process."""
        return settings().logs_dir / "torture_stream.log"

    def new_log(self) -> str:
        """What the stream has logged since the fault began."""
        return processes.log_text(self.stream_log, self._log_start)

    def await_log(self, text: str) -> None:
        """Wait until the stream has logged `text` since the fault began."""
        wait_until(lambda: text in self.new_log(), RECOVER_SECONDS, f"{text!r} in the stream's log", every=0.1)

    def flow(self) -> None:
        """See that everything runs and that rows come in."""
        stack.up()
        if self.stream is None or self.stream.poll() is not None:
            self.start_stream()
            # Not earlier: each message sent meanwhile is one more to compare, after every fault.
            wait_until(self._has_started, RECOVER_SECONDS, "the queries to start", every=0.1, seen=self._stream_state)
        if self.producer is None or self.producer.poll() is not None:
            self._start_producer()
        self._order("go")
        before = row_count()
        wait_until(self._gains(before), RECOVER_SECONDS, "rows to come in", every=0.1, seen=self._stream_state)
        self._log_start = self.stream_log.stat().st_size

    def _has_started(self) -> bool:
        assert self.stream is not None
        if self.stream.poll() is not None:
            raise WaitTimeout(f"the stream ended: {self._stream_state()}")
        return "event=queries_started" in self.new_log()

    def _gains(self, before: int) -> Callable[[], bool]:
        def gains() -> bool:
            if self.stream is not None and self.stream.poll() is not None:
                raise WaitTimeout(f"the stream ended: {self._stream_state()}")
            return row_count() > before

        return gains

    def _stream_state(self) -> str:
        code = None if self.stream is None else self.stream.poll()
        return f"exit code {code}, log: …{self.new_log()[-800:]}"

    def start_stream(self) -> None:
        """Start `lab stream`."""
        command = [sys.executable, "-m", "lab_utils.cli", "--state-dir", str(settings().state_dir), "-v", "stream"]
        self._log_start = processes.log_end(self.stream_log)
        self.stream = processes.spawn(command, self.stream_log)

    def jvm(self) -> psutil.Process:
        """The Spark driver's JVM."""
        assert self.stream is not None
        return next(
            child for child in psutil.Process(self.stream.pid).children(recursive=True) if "java" in child.name()
        )

    def stop_stream(self) -> None:
        """Stop the stream as Ctrl-C does."""
        if self.stream is not None and self.stream.poll() is None:
            self.stream.terminate()
            self.stream.wait(RECOVER_SECONDS)

    def kill_stream(self) -> None:
        """`kill -9` the stream's Python; its JVM notices and ends too, since two must never share a checkpoint."""
        jvm = self.jvm()
        assert self.stream is not None
        self.stream.kill()
        self.stream.wait()
        wait_until(lambda: not processes.is_alive(jvm), 60, "the JVM of a killed stream to end")

    def _start_producer(self) -> None:
        self._producers += 1
        first = str(self._producers * NUMBERS_PER_PRODUCER)
        command = [sys.executable, "-m", "lab_utils.torture.producer", "--first", first, "--rate", str(RATE)]
        command += ["--begin", self._begin.isoformat(), "--acknowledged", str(self._acknowledged)]
        log = (settings().logs_dir / "torture_producer.log").open("ab")
        with log:
            self.producer = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ
            )

    def _order(self, order: str) -> None:
        assert self.producer is not None and self.producer.stdin is not None
        self.producer.stdin.write(f"{order}\n")
        self.producer.stdin.flush()

    def pause(self) -> None:
        """Let no more messages be sent, and wait until Kafka has acknowledged the last one."""
        if self.producer is not None and self.producer.poll() is None:
            assert self.producer.stdout is not None
            self._order("pause")
            self.producer.stdout.readline()

    def stop_producer(self) -> None:
        """End the producer for good."""
        if self.producer is not None:
            self.producer.kill()
            self.producer.wait()
            self.producer = None

    def stop(self) -> None:
        """End both processes."""
        self.stop_producer()
        self.stop_stream()

    def settle(self) -> Result:
        """Stop sending, wait until everything is stored, and compare it with what was sent.

        When it does not come, the comparison says what is missing.
        """
        self.flow()
        self.pause()
        fresh = self._read_on()
        goal = sum(self._read_to.values())
        try:
            wait_until(lambda: _is_drained(goal), RECOVER_SECONDS, "the tables to hold everything", every=0.2)
        except WaitTimeout as late:
            print(late, self._stream_state())
        self._note(fresh)
        noted = self._acknowledged.read_text().split() if self._acknowledged.exists() else []
        return Result(
            verdict=compare(self._wanted, contents()),
            lost=sum(int(number) not in self._numbers for number in noted),
            sent_twice=self._numbers.total() - len(self._numbers),
            changed=self._changed,
        )

    def _note(self, fresh: dict[Place, Message]) -> None:
        new = expected(fresh)
        self._wanted.ticks |= new.ticks
        self._wanted.dead_letters |= new.dead_letters
        self._wanted.row_count += new.row_count
        self._wanted.candles = expected_candles(self._wanted.ticks)
        for found in fresh.values():
            number = int(dict(found.headers)[NUMBER] or b"")
            self._numbers[number] += 1
            self._changed += found != message(number, self._begin)

    def _read_on(self) -> dict[Place, Message]:
        """The records that Kafka has and that were not read yet."""
        ends = {place: end for place, end in kafka_utils.end_offsets().items() if end}
        consumer = kafka_utils.make_consumer()
        found: dict[Place, Message] = {}
        try:
            consumer.assign([TopicPartition(*place) for place in ends])
            for place in ends:
                consumer.seek(TopicPartition(*place), self._read_to.get(place, 0))
            while any(consumer.position(TopicPartition(*place)) < end for place, end in ends.items()):
                for records in consumer.poll(timeout_ms=1000).values():
                    for record in records:
                        message_of = Message(record.topic, record.value, record.key, tuple(record.headers))
                        found[record.topic, record.partition, record.offset] = message_of
        finally:
            consumer.close()
        self._read_to = ends
        return found

    @contextmanager
    def second_pipeline(self) -> Iterator[None]:
        """The same queries once more, in this process, with checkpoints of their own and the same tables."""
        from lab_utils.streaming.session import get_spark

        spark = get_spark("torture")
        sinks = {name: PostgresSink(name) for name in ("ticks", "candles")}
        folder = settings().state_dir / "second_checkpoints" / str(self.rng.random())
        queries = pipeline.start_queries(spark, sinks, once=False, checkpoints=folder)
        try:
            yield
            wait_until(lambda: _all_have_run(queries), RECOVER_SECONDS, "the second queries to have run", every=0.2)
        finally:
            for query in queries:
                query.stop()
            for sink in sinks.values():
                sink.close()


def _all_have_run(queries: Sequence[StreamingQuery]) -> bool:
    failed = [str(query.exception()) for query in queries if query.exception()]
    if failed:
        raise WaitTimeout(f"the second pipeline failed: {failed}")
    return all(query.lastProgress for query in queries)


def _is_drained(goal: int) -> bool:
    if row_count() < goal:
        return False
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT (SELECT sum(tick_count) FROM candles_1m) >= (SELECT count(*) FROM ticks)")
        return bool(cursor.fetchone()[0])


def row_count() -> int:
    """Rows in the tables of ticks and dead letters."""
    tables = (*(asset.table for asset in ASSETS), "dead_letters")
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT " + " + ".join(f"(SELECT count(*) FROM {table})" for table in tables))
        return int(cursor.fetchone()[0])


def empty_everything() -> None:
    """Topics, tables and checkpoints as `lab reset` leaves them, without a restart of the servers."""
    with kafka_utils.admin() as client:
        present = [topic for topic in client.list_topics() if not topic.startswith("__")]
        if present:
            client.delete_topics(present)
        wait_until(lambda: not set(client.list_topics()) & set(present), 20, "the topics to be deleted")
    kafka_utils.ensure_topics()
    db_utils.empty_tables()
    pipeline.remove_checkpoints()


@contextmanager
def superuser_in_lab() -> Iterator[Any]:
    """A cursor of the superuser in the lab's database, in autocommit."""
    with (
        postgres_server.superuser(postgres_server.port(), db_utils.DATABASE) as connection,
        connection.cursor() as opened,
    ):
        yield opened


def run(rounds: int, seed: int, say: Callable[[str], None]) -> int:
    """`rounds` random faults, one after the other; how many of them did harm.

    The faults of a seed come in the same order. When within a batch they strike is up to the machine.
    """
    from lab_utils.torture.faults import FAULTS, moment, name_of

    campaign = Campaign(seed)
    harmed = 0
    order: list[Any] = []
    try:
        for number in range(1, rounds + 1):
            if not order:  # every fault once before any comes again
                order = campaign.rng.sample(FAULTS, len(FAULTS))
            fault = order.pop()
            begin = time.monotonic()
            campaign.flow()
            moment(campaign)
            fault(campaign)
            result = campaign.settle()
            harmed += not result.is_clean
            seconds = time.monotonic() - begin
            outcome = f"{result.verdict.records:,} records, " + ("all once" if result.is_clean else f"HARM: {result}")
            say(f"{number:3}/{rounds} {name_of(fault)}: {outcome} ({seconds:.0f} s)")
    finally:
        campaign.stop()
    return harmed
