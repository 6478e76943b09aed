"""The two streaming queries: records → ticks and dead letters, and records → candles."""

import contextlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import kafka_server, postgres_server, processes
from lab_utils.settings import settings
from lab_utils.streaming import progress
from lab_utils.streaming.csv_batch import Record, csv_batch
from lab_utils.streaming.postgres_sink import (
    CANDLE_COLUMNS,
    Batch,
    BatchId,
    PostgresSink,
    fingerprint,
    store_candles,
    store_records,
)
from lab_utils.streaming.topic_watch import TopicWatch
from lab_utils.streaming.transforms import one_minute_candles, plain_ticks, valid_ticks
from lab_utils.ticks import ASSETS

log = logging.getLogger(__name__)

LATENESS = timedelta(minutes=10)
"""How much later than the newest tick one may come and still be in Spark's candle."""

MAX_RECORDS_PER_BATCH = 100_000
"""The driver holds one batch as text, about 25 MB. Only the tick query is limited: reading a backlog in slices moves
the partitions forward unevenly, and the candle query would take the slower ones for late."""

TICK_TRIGGER = "200 milliseconds"
CANDLE_TRIGGER = "2 seconds"
"""Two cores are shared by both queries: ticks go first, a candle may be two seconds old."""


def read_topics(spark: SparkSession, topics: tuple[str, ...], max_records: int | None = None) -> DataFrame:
    """The records of `topics` as a stream, from the earliest offset on.

    A missing offset fails the query (`failOnDataLoss` is on): records that cannot be read must not be skipped in
    silence.
    """
    reader = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", kafka_server.bootstrap_servers())
        .option("subscribe", ",".join(topics))
        .option("startingOffsets", "earliest")
        .option("includeHeaders", "true")
        # After each read the client already asks for the next records, and the broker holds that request back until
        # some come or this time is up. Spark's next question, where the partition ends, waits behind it on the same
        # connection: with the default of 500 ms a batch of ten records takes a second.
        .option("kafka.fetch.max.wait.ms", "10")
    )
    if max_records is not None:
        reader = reader.option("maxOffsetsPerTrigger", max_records)
    return reader.load()


def tick_lines(records: DataFrame) -> DataFrame:
    """What the driver needs of each record.

    A plain tick comes as `line`, the CSV that COPY reads; of any other record come the parts by which Python judges
    it, and `line` is NULL.
    """
    place = F.col("partition").cast("string"), F.col("offset").cast("string")
    line = F.concat("csv", F.lit(","), place[0], F.lit(","), place[1], F.lit("\n"))
    is_other = F.col("csv").isNull()
    return plain_ticks(records).select(
        "topic",
        line.alias("line"),
        *(
            F.when(is_other, F.col(name)).alias(name)
            for name in ("partition", "offset", "timestamp", "value", "headers")
        ),
    )


def candle_lines(candles: DataFrame) -> DataFrame:
    """Candles as `line`, the CSV that COPY reads, and `last_event`."""
    # No field of a candle is NULL: concat_ws would leave it out and move the columns behind it.
    line = F.concat_ws(",", *(F.col(name).cast("string") for name in CANDLE_COLUMNS))
    return candles.select(F.concat(line, F.lit("\n")).alias("line"), "last_event")


def write_ticks(sink: PostgresSink) -> Callable[[DataFrame, int], None]:
    """The foreachBatch function for `tick_lines`."""

    def write(lines: DataFrame, batch_id: int) -> None:
        batch = _batch_of(lines.toArrow())
        if not batch.is_empty:
            name = _batch_id(lines, batch_id, *(batch.lines[table] for table in sorted(batch.lines)))
            sink.write(lambda cursor: store_records(cursor, batch), name)

    return write


def write_candles(sink: PostgresSink) -> Callable[[DataFrame, int], None]:
    """The foreachBatch function for `candle_lines` (update mode)."""

    def write(candles: DataFrame, batch_id: int) -> None:
        table = candles.toArrow()
        if table.num_rows:
            watermark = pc.max(table["last_event"]).as_py().astimezone(UTC) - LATENESS
            lines = _text_of(table["line"])
            sink.write(lambda cursor: store_candles(cursor, lines, watermark), _batch_id(candles, batch_id, lines))

    return write


def _batch_of(rows: pa.Table) -> Batch:
    is_plain = pc.is_valid(rows["line"])
    batch = csv_batch(map(_record, rows.filter(pc.invert(is_plain)).to_pylist()))
    lines, earliest = dict(batch.lines), dict(batch.earliest)
    for asset in ASSETS:
        plain = rows.filter(pc.and_(is_plain, pc.equal(rows["topic"], asset.topic)))
        if plain.num_rows:
            first = datetime.fromisoformat(pc.min(plain["line"]).as_py().split(",", 1)[0])
            lines[asset.table] = _text_of(plain["line"]) + lines.get(asset.table, b"")
            earliest[asset.table] = min(first, earliest.get(asset.table, first))
    return Batch(lines, earliest)


def _record(row: Mapping[str, Any]) -> Record:
    headers = [(header["key"], header["value"]) for header in row["headers"] or ()]
    broker_time = row["timestamp"].astimezone(UTC)
    return Record(row["topic"], row["partition"], row["offset"], broker_time, row["value"], headers)


def _text_of(lines: pa.ChunkedArray) -> bytes:
    """All lines as one text. Arrow joins them in C: a hundred thousand Python strings would take a tenth of a second."""
    whole = pa.ListArray.from_arrays([0, len(lines)], lines.combine_chunks())
    joined: bytes = pc.binary_join(whole, "")[0].as_buffer().to_pybytes()
    return joined


def _batch_id(batch: DataFrame, batch_id: int, *parts: bytes) -> BatchId:
    query_id = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
    assert query_id is not None
    return BatchId(query_id, batch_id, fingerprint(*parts))


def start_queries(
    spark: SparkSession, sinks: Mapping[str, PostgresSink], *, once: bool, checkpoints: Path | None = None
) -> list[StreamingQuery]:
    """Start both queries; with `once` each ends by itself when it has read what is there now."""
    folder = checkpoints or settings().checkpoints_dir
    ticks = tick_lines(read_topics(spark, kafka_utils.TOPICS, MAX_RECORDS_PER_BATCH))
    valid = valid_ticks(read_topics(spark, tuple(asset.topic for asset in ASSETS)))
    lateness = f"{int(LATENESS.total_seconds())} seconds"
    candles = one_minute_candles(valid.withWatermark("event_time", lateness))
    jobs: list[tuple[str, DataFrame, Callable[[DataFrame, int], None], str]] = [
        ("ticks", ticks, write_ticks(sinks["ticks"]), TICK_TRIGGER),
        ("candles", candle_lines(candles), write_candles(sinks["candles"]), CANDLE_TRIGGER),
    ]
    return [
        data.writeStream.queryName(name)
        .foreachBatch(write)
        .outputMode("update")
        .option("checkpointLocation", str(folder / name))
        .trigger(**({"availableNow": True} if once else {"processingTime": trigger}))
        .start()
        for name, data, write, trigger in jobs
    ]


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Hold the right to use the checkpoints.

    Raises:
        LabError: another process has it.
    """
    with processes.lock(processes.STREAM) as is_ours:
        if not is_ours:
            raise LabError(
                "The Spark queries run already, in another process of this checkout.",
                "Stop them first: Ctrl-C there, or lab down",
            )
        processes.write_record(processes.STREAM, processes.Record(os.getpid(), 0, 0))
        yield


def prepare() -> None:
    """See that the stored offsets belong to the topics that are there.

    Raises:
        LabError: a server is not there, a topic is missing or was created again.
    """
    db_utils.check_topics(kafka_utils.topic_ids())


def is_prepared() -> bool:
    """Whether both servers run with topics and tables.

    Raises:
        TopicChangedError: they do, and a topic was created again.
    """
    try:
        kafka_server.bootstrap_servers()
        postgres_server.port()
        if not db_utils.has_schema():
            return False
        prepare()
    except db_utils.TopicChangedError:
        raise
    except LabError:
        return False
    return True


def run(spark: SparkSession, stopped: threading.Event, *, once: bool) -> dict[str, int]:
    """Run both queries until `stopped` is set or, with `once`, until they have read all there is.

    Returns:
        `ticks` and `candles`: rows that the query of that name brought into PostgreSQL; `late`: ticks that Spark
        left out of its candles because they came after the watermark (their candles were made from the table).

    Raises:
        LabError: a query failed; the text holds the reason.
    """
    sinks = {name: PostgresSink(name) for name in ("ticks", "candles")}
    late_before = db_utils.late_ticks()
    spark.conf.set("spark.sql.streaming.numRecentProgressUpdates", progress.REMEMBERED_BATCHES)
    queries = start_queries(spark, sinks, once=once)
    log.info("event=queries_started once=%s", once)
    try:
        with progress.recorded(queries):
            _watch(queries, stopped)
    except (Py4JError, OSError):
        raise LabError("The JVM of Spark ended.", "See `lab logs spark`, then start again: lab stream") from None
    finally:
        with contextlib.suppress(Py4JError, OSError):  # it may be the JVM that is gone
            for query in queries:
                query.stop()
        for sink in sinks.values():
            sink.close()
    return {**{name: sink.rows for name, sink in sinks.items()}, "late": db_utils.late_ticks() - late_before}


def _watch(queries: Sequence[StreamingQuery], stopped: threading.Event) -> None:
    """Return when `stopped` is set or all queries have ended.

    Raises:
        LabError: a query failed, or a topic is another one now.
    """
    watch = TopicWatch()
    while not stopped.wait(0.2):
        failed = [query for query in queries if not query.isActive and query.exception() is not None]
        if failed:
            # A topic that is made anew in the middle of a batch makes it fail in one of many ways.
            watch.look(now=True)
            raise explained(failed[0].name, str(failed[0].exception()))
        if not any(query.isActive for query in queries):
            break
        watch.look()


def explained(name: str, text: str) -> LabError:
    """The failure of a query as a sentence."""
    if "OffsetOutOfRange" in text or "Some data may have been lost" in text or "KAFKA_DATA_LOSS" in text:
        return LabError(
            "The checkpoint and the topics disagree: records that Spark has not stored are gone from Kafka "
            "(retention, or a topic that was deleted and created again).",
            "Empty topics, checkpoints and tables together: lab reset",
        )
    # What ends a Python traceback, which stands in the middle of the JVM's; else what the JVM says first.
    python_errors = re.findall(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)+(\S.*)", text)
    reason = python_errors[-1] if python_errors else text.strip().splitlines()[0]
    return LabError(f"The query {name} failed: {reason[:300]}.", "See `lab logs spark` and `lab status`.")


def remove_checkpoints() -> None:
    """Forget how far the queries have read."""
    shutil.rmtree(settings().checkpoints_dir, ignore_errors=True)
