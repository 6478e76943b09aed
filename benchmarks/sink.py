"""How fast ticks come into PostgreSQL: the sink beside what bounds it and beside the usual ways.

All variants read the same records in the same batches, in one warm JVM, in rounds: each round runs every variant
once, so that whatever else the machine does meets all of them alike. Compare ratios, not rates.
"""

import dataclasses
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from pyspark.sql import DataFrame, SparkSession

from benchmarks import stack
from benchmarks.load import load_ticks, record_count
from lab_utils import db_utils
from lab_utils.consumers.postgres_consumer import consume
from lab_utils.servers import postgres_server, processes
from lab_utils.settings import settings
from lab_utils.streaming.pipeline import MAX_RECORDS_PER_BATCH, read_topics, tick_lines, write_ticks
from lab_utils.streaming.postgres_sink import PostgresSink, tick_columns
from lab_utils.streaming.session import get_spark
from lab_utils.streaming.transforms import parse_ticks, valid_ticks
from lab_utils.ticks import CRYPTO

GROWN_ROWS = 10_000_000
GROWTH_CHUNK = 1_000_000


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to treat the records."""

    key: str
    says: str
    run: Callable[[SparkSession, int], None]
    """Gets the session and the number of the run, for a checkpoint of its own."""
    stores: bool
    """Whether the ticks must be in the table at the end."""


def read_only(spark: SparkSession, run: int) -> None:
    """Kafka records into the no-op sink."""
    _to_end(_records(spark), run, None)


def parse_only(spark: SparkSession, run: int) -> None:
    """Judged ticks as the sink is given them, into the no-op sink: what the lab's sink can at best reach."""
    _to_end(tick_lines(_records(spark)), run, None)


def typed_only(spark: SparkSession, run: int) -> None:
    """Judged ticks with a typed column a field, as lessons and JDBC take them, into the no-op sink."""
    _to_end(parse_ticks(_records(spark)), run, None)


def candle_input(spark: SparkSession, run: int) -> None:
    """Ticks as the candle query takes them, into the no-op sink."""
    _to_end(valid_ticks(_records(spark)), run, None)


def lab_sink(spark: SparkSession, run: int) -> None:
    """The tick query of the pipeline."""
    with closing(PostgresSink("ticks")) as sink:
        _to_end(tick_lines(_records(spark)), run, write_ticks(sink))


def jdbc_append(spark: SparkSession, run: int) -> None:
    """Spark's JDBC writer into the same table, one transaction a partition: a replayed batch can never succeed."""
    _to_end(_typed(spark), run, lambda ticks, _batch: _jdbc(ticks, CRYPTO.table))


def jdbc_upsert(spark: SparkSession, run: int) -> None:
    """Spark's JDBC writer into a staging table, and INSERT … ON CONFLICT from there: safe to repeat."""
    names = ", ".join(tick_columns(CRYPTO))
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute("DROP TABLE IF EXISTS jdbc_staging")
        cursor.execute(f"CREATE TABLE jdbc_staging AS SELECT {names} FROM {CRYPTO.table} WITH NO DATA")

    def write(ticks: DataFrame, _batch: int) -> None:
        with db_utils.cursor("lab_owner") as cursor:
            cursor.execute("TRUNCATE jdbc_staging")
        _jdbc(ticks, "jdbc_staging")
        with db_utils.cursor("lab_owner") as cursor:
            cursor.execute(
                f"INSERT INTO {CRYPTO.table} ({names}) SELECT {names} FROM jdbc_staging ON CONFLICT DO NOTHING"
            )

    _to_end(_typed(spark), run, write)


def plain_consumer(_spark: SparkSession, run: int) -> None:
    """`lab consume`: no Spark, and the candles as well."""
    consume(threading.Event(), once=True, group=f"bench-{run}")


VARIANTS = (
    Variant("a", "Kafka read only", read_only, stores=False),
    Variant("b", "read + parse, no-op sink", parse_only, stores=False),
    Variant("b'", "read + parse into typed columns, no-op sink", typed_only, stores=False),
    Variant("b''", "read + parse for candles, no-op sink", candle_input, stores=False),
    Variant("c", "the lab's sink", lab_sink, stores=True),
    Variant("d", "JDBC append, rewritten inserts", jdbc_append, stores=True),
    Variant("e", "JDBC staging + upsert", jdbc_upsert, stores=True),
    Variant("f", "plain-Python consumer", plain_consumer, stores=True),
)


def _records(spark: SparkSession) -> DataFrame:
    return read_topics(spark, (CRYPTO.topic,), MAX_RECORDS_PER_BATCH)


def _typed(spark: SparkSession) -> DataFrame:
    return parse_ticks(_records(spark)).where("reason IS NULL").select(*tick_columns(CRYPTO))


def _to_end(data: DataFrame, run: int, write: Callable[[DataFrame, int], None] | None) -> None:
    writer = data.writeStream.trigger(availableNow=True).outputMode("update")
    writer = writer.option("checkpointLocation", str(settings().checkpoints_dir / f"bench-{run}"))
    query = (writer.format("noop") if write is None else writer.foreachBatch(write)).start()
    query.awaitTermination()


def _jdbc(ticks: DataFrame, table: str) -> None:
    url = f"jdbc:postgresql://{processes.HOST}:{postgres_server.port()}/{db_utils.DATABASE}"
    login = {"user": "lab_owner", "password": postgres_server.password("lab_owner")}
    options = {**login, "reWriteBatchedInserts": "true", "batchsize": "10000", "driver": "org.postgresql.Driver"}
    ticks.write.jdbc(url, table, mode="append", properties=options)


@dataclasses.dataclass(frozen=True)
class Rate:
    """Rows per second of one variant over all rounds."""

    key: str
    says: str
    rows_per_second: list[int]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.rows_per_second)


def measure(ticks: int, rounds: int, keys: Sequence[str], say: Callable[[str], None]) -> list[Rate]:
    """Run each variant once a round, after one round that is not counted and warms the JVM."""
    variants = [variant for variant in VARIANTS if variant.key in keys]
    found: dict[str, list[int]] = {variant.key: [] for variant in variants}
    spark = get_spark("bench")
    try:
        ticks = load_ticks(spark, ticks)
        run = 0
        for number in range(rounds + 1):
            for variant in variants:
                run += 1
                rate = rate_of(spark, variant, run, ticks)
                say(f"round {number or 'for warming up'}: {variant.key} {variant.says}: {rate:,} rows/s")
                if number:
                    found[variant.key].append(rate)
    finally:
        spark.stop()
    return [Rate(variant.key, variant.says, found[variant.key]) for variant in variants]


def measure_growth(rounds: int, say: Callable[[str], None]) -> tuple[Rate, Rate]:
    """The lab's sink into an empty table and into one of ten million rows, in turns.

    The rows that are there are ticks of other partitions of the topic, with event times of the weeks before.
    """
    sink = next(variant for variant in VARIANTS if variant.key == "c")
    found: dict[bool, list[int]] = {False: [], True: []}
    ticks = record_count()
    spark = get_spark("bench")
    try:
        for run in range(2 * rounds + 2):
            is_grown = bool(run % 2)
            rate = rate_of(spark, sink, 10_000 + run, ticks, grown_rows=GROWN_ROWS * is_grown)
            say(f"growth, {'ten million rows' if is_grown else 'empty'}: {rate:,} rows/s")
            if run >= 2:  # the first two warm up
                found[is_grown].append(rate)
    finally:
        spark.stop()
    return (
        Rate("g0", "the lab's sink, empty table", found[False]),
        Rate("g10M", "the lab's sink, ten million rows there", found[True]),
    )


def grow(rows: int) -> None:
    """Bring so many ticks of the weeks before into the table, as of other partitions than the benchmark's."""
    names = ", ".join(tick_columns(CRYPTO))
    with db_utils.cursor("lab_owner") as cursor:
        for first in range(0, rows, GROWTH_CHUNK):
            cursor.execute(
                f"INSERT INTO {CRYPTO.table} ({names}) "
                "SELECT now() - interval '2 days' - n * interval '100 ms', "
                "(ARRAY['BTC','ETH','SOL','XRP','ADA','DOT','LTC','BCH'])[1 + mod(n, 8)], 'USD', 50000 + mod(n, 10000), "
                "mod(n, 1000), now(), 'benchmark', 1, 24000, 1479080097200, "
                "1.5, 4 + mod(n, 4), n FROM generate_series(%s, %s - 1) AS n",
                (first, min(first + GROWTH_CHUNK, rows)),
            )


def rate_of(spark: SparkSession, variant: Variant, run: int, ticks: int, grown_rows: int = 0) -> int:
    """Rows per second of one run of a variant, into empty tables or into one that has `grown_rows`."""
    stack.empty_tables()
    grow(grown_rows)
    with postgres_server.superuser(postgres_server.port()) as connection, connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")  # that of the variant before is not for this one to pay
    started = time.perf_counter()
    variant.run(spark, run)
    seconds = time.perf_counter() - started
    if variant.stores and (stored := _stored() - grown_rows) != ticks:
        raise AssertionError(f"{variant.says}: {stored} rows of {ticks}")
    return round(ticks / seconds)


def _stored() -> int:
    with db_utils.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {CRYPTO.table}")
        return int(cursor.fetchone()[0])
