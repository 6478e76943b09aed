"""The pipeline as its monitor sees it: on real servers, with Spark, Kafka or PostgreSQL away, and single records."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest
from pyspark.sql import SparkSession
from sqlalchemy import text

from lab_utils import db_utils, stack
from lab_utils.dashboard import messages
from lab_utils.dashboard.database_side import LATENCY, PROGRESS, ROWS
from lab_utils.dashboard.health import Pipeline, findings
from lab_utils.dashboard.monitor import Monitor
from lab_utils.dashboard.progress import BATCHES, POINTS, SPAN, read_progress
from lab_utils.dashboard.source import Source
from lab_utils.kafka_utils import PARTITIONS
from lab_utils.servers import kafka_server, postgres_server
from lab_utils.streaming import progress
from lab_utils.ticks import ASSETS, CRYPTO, STOCKS
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers.plans import assert_index_scans
from tests.servers.records import Message, sample_messages, send
from tests.servers.test_pipeline import run_once

NAMED_SECONDS = 30
"""How soon a part that is gone must be named: ten seconds are promised, on a machine that does nothing else."""


@pytest.fixture
def monitor(running_lab: Lab) -> Iterator[Monitor]:
    del running_lab
    made = Monitor()
    yield made
    made.close()


@contextmanager
def streaming(lab: Lab, monitor: Monitor) -> Iterator[psutil.Process]:
    """`lab stream`, from its first batch on."""
    stream = lab.begin("stream")
    try:
        wait_until(
            lambda: bool(monitor.look().spark_age) and not monitor.look().is_starting, 120, "Spark's first batch"
        )
        yield psutil.Process(stream.pid)
    finally:
        stream.terminate()
        stream.communicate(timeout=60)


def words(monitor: Monitor) -> str:
    return " ".join(found.words for found in findings(monitor.look()))


def await_words(monitor: Monitor, wanted: str, seconds: float = NAMED_SECONDS) -> None:
    wait_until(lambda: wanted in words(monitor), seconds, f"the words {wanted!r}", seen=lambda: words(monitor))


def await_look(monitor: Monitor, is_so: Callable[[Pipeline], bool], what: str) -> Pipeline:
    wait_until(lambda: is_so(monitor.look()), 30, what, seen=monitor.look)
    return monitor.look()


def counts(seen: Pipeline) -> dict[str, int | None]:
    return {hop.name: hop.count for hop in seen.hops}


def test_each_hop_and_each_partition_is_counted_before_and_after_spark(monitor: Monitor, spark: SparkSession) -> None:
    bad = Message(CRYPTO.topic, b"{", b"BTC")
    send([*sample_messages(30), bad])
    seen = await_look(monitor, lambda seen: counts(seen)["Kafka"] == 61, "61 records in Kafka")
    assert (counts(seen)["Spark"], counts(seen)["PostgreSQL"], seen.waiting) == (0, 0, 61)
    assert "Spark is not running; 61 records wait for it. Start it with: lab stream" in words(monitor)
    run_once(spark)
    seen = await_look(monitor, lambda seen: counts(seen)["PostgreSQL"] == 60, "60 rows")
    assert (counts(seen)["Spark"], seen.waiting) == (61, 0)
    assert {lag.query: sum(each.done for each in seen.lags if each.query == lag.query) for lag in seen.lags} == {
        "ticks": 61,
        "candles": 61,
    }
    assert [(held.table, held.rows, held.duplicates) for held in seen.tables] == [
        ("crypto_data", 30, 0),
        ("stock_data", 30, 0),
    ]
    hops = {hop.name: hop for hop in seen.hops}
    assert all((hops[name].age or 0) < 120 for name in ("Kafka", "Spark", "PostgreSQL", "chart"))
    seen = await_look(monitor, lambda seen: bool(seen.dead_letters), "the dead letter")
    assert [count for _, count in seen.dead_letters] == [1]
    assert seen.recent_dead_letters == 1 and "1 record was refused" in words(monitor)


def test_rows_are_counted_anew_when_the_tables_were_emptied(monitor: Monitor, spark: SparkSession) -> None:
    send(sample_messages(5))
    run_once(spark)
    await_look(monitor, lambda seen: counts(seen)["PostgreSQL"] == 10, "10 rows")
    db_utils.empty_tables()
    await_look(monitor, lambda seen: counts(seen)["PostgreSQL"] == 0, "no rows")


def test_a_record_that_is_in_a_table_and_refused_is_a_duplicate(monitor: Monitor, spark: SparkSession) -> None:
    send(sample_messages(2))
    run_once(spark)
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute(
            "INSERT INTO dead_letters SELECT %s, kafka_partition, kafka_offset, 'x', 'twice' FROM stock_data LIMIT 1",
            (STOCKS.topic,),
        )
    seen = await_look(monitor, lambda seen: any(held.duplicates for held in seen.tables), "the duplicate")
    assert [held.duplicates for held in seen.tables] == [0, 1]


def test_spark_that_is_stopped_is_named_soon(running_lab: Lab, monitor: Monitor) -> None:
    with streaming(running_lab, monitor) as stream:
        assert "Spark is not running" not in words(monitor)
        stream.terminate()
        await_words(monitor, "Spark is not running")


def test_a_jvm_of_spark_that_is_killed_is_named_soon(running_lab: Lab, monitor: Monitor) -> None:
    with streaming(running_lab, monitor) as stream:
        (jvm,) = [child for child in stream.children(recursive=True) if child.name() == "java"]
        jvm.kill()
        await_words(monitor, "Spark is not running")


def test_a_broker_that_is_away_is_named_and_found_when_it_is_back(monitor: Monitor) -> None:
    await_look(monitor, lambda seen: counts(seen)["Kafka"] == 0, "an empty broker")
    try:
        kafka_server.stop()
        await_words(monitor, "Kafka")
        assert counts(monitor.look())["Kafka"] is None
        assert "lab up" in words(monitor)
    finally:
        stack.up()
    await_look(monitor, lambda seen: counts(seen)["Kafka"] == 0, "the broker")


def test_a_database_that_is_away_is_named_and_found_when_it_is_back(monitor: Monitor) -> None:
    await_look(monitor, lambda seen: counts(seen)["PostgreSQL"] == 0, "an empty database")
    try:
        postgres_server.stop()
        await_words(monitor, "PostgreSQL")
        assert counts(monitor.look())["PostgreSQL"] is None
    finally:
        stack.up()
    await_look(monitor, lambda seen: counts(seen)["PostgreSQL"] == 0, "the database")


# --- Spark's progress ---------------------------------------------------------------------------------------------


def test_the_batches_of_a_run_are_kept_with_their_records_and_offsets(running_lab: Lab, spark: SparkSession) -> None:
    del running_lab
    send(sample_messages(20))
    run_once(spark)
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT query, sum(input_rows) FROM pipeline_progress GROUP BY query ORDER BY query")
        assert cursor.fetchall() == [("candles", 40), ("ticks", 40)]
        cursor.execute(
            "SELECT sum(o.value::int) FROM (SELECT * FROM pipeline_progress WHERE query = 'ticks' ORDER BY at DESC LIMIT 1)"
            " AS newest, jsonb_each(offsets) AS t(topic, parts), jsonb_each(parts) AS o(part, value)"
        )
        assert cursor.fetchone() == (40,)
    source = Source()
    read = source.read(read_progress)
    source.close()
    assert set(read.batches["query"]) == {"ticks", "candles"}
    assert (read.of("ticks")["addBatch"] > 0).any() and read.of("candles")["state_rows"].max() > 0


def test_progress_waits_while_the_database_is_away(
    running_lab: Lab, spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    del running_lab
    query = (
        spark.readStream.format("rate").option("rowsPerSecond", 5).load().writeStream.format("noop")
        .queryName("rate").trigger(processingTime="500 milliseconds").start()
    )  # fmt: skip

    def newest() -> int:
        found = query.lastProgress
        return -1 if found is None else found.batchId

    recorder = progress.Recorder([query])
    try:
        postgres_server.stop()
        recorder.start()
        wait_until(lambda: newest() >= 3, 60, "some batches")
        wait_until(lambda: "progress_waits" in caplog.text, 20, "the word that progress waits")
    finally:
        stack.up()
        query.stop()
        recorder.ended.set()
        recorder.join(30)
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT DISTINCT batch_id FROM pipeline_progress WHERE query = 'rate' ORDER BY 1")
        kept = [batch_id for (batch_id,) in cursor.fetchall()]
    assert kept == list(range(kept[0], newest() + 1)) and len(kept) >= 3
    assert caplog.text.count("progress_waits") == 1


def test_old_progress_is_removed(running_lab: Lab, spark: SparkSession) -> None:
    del running_lab
    with db_utils.cursor("lab_owner") as cursor:
        for hours in (1, 100):
            cursor.execute(
                "INSERT INTO pipeline_progress VALUES ('old', gen_random_uuid(), 0, now() - %s * interval '1 hour', 0,"
                " NULL, NULL, '{}', '{}', NULL, 0, 0, 0)",
                (hours,),
            )
    recorder = progress.Recorder([])
    recorder.start()

    def left() -> int:
        with db_utils.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pipeline_progress WHERE query = 'old'")
            return int(cursor.fetchone()[0])

    try:
        wait_until(lambda: left() == 1, 20, "the old row to be removed")
    finally:
        recorder.ended.set()
        recorder.join(30)
    del spark


# --- Single records -------------------------------------------------------------------------------------------------


def test_the_last_records_of_a_topic_are_shown_raw_and_parsed(running_lab: Lab) -> None:
    del running_lab
    good = sample_messages(3)[:3]
    send(good)
    send([Message(CRYPTO.topic, b"\xff{", None)])
    found = messages.peek(CRYPTO.topic, 3)
    assert len(found) == 3
    assert found[0].raw == "\\xff{" and found[0].key == "" and found[0].meaning.startswith("no tick: ")
    assert {one.raw for one in found[1:]} <= {message.value.decode() for message in good if message.value}
    assert all("USD" in one.meaning and one.key in one.meaning for one in found[1:])
    assert abs((datetime.now(UTC) - found[0].time).total_seconds()) < 60


def test_a_record_may_name_half_of_a_character(running_lab: Lab) -> None:
    del running_lab
    messages.publish(CRYPTO.topic, '{"symbol": "\\ud800"}')
    (found,) = messages.peek(CRYPTO.topic)
    assert (found.raw, found.key) == ('{"symbol": "\\ud800"}', "?") and found.meaning.startswith("no tick: ")


def test_a_dead_letter_topic_shows_the_reasons(running_lab: Lab) -> None:
    del running_lab
    send([Message(CRYPTO.dead_letter_topic, b"{", b"BTC", (("reason", b"price: missing"),))])
    assert [one.meaning for one in messages.peek(CRYPTO.dead_letter_topic)] == ["refused: price: missing"]
    assert messages.peek(STOCKS.topic) == []


@pytest.mark.parametrize(
    ("change", "ends"),
    [(lambda text: text, "a row of crypto_data: TEST at 100.25"), (lambda text: text[:-1], "a dead letter")],
)
def test_a_record_that_is_sent_by_hand_can_be_followed(
    running_lab: Lab, spark: SparkSession, change: Callable[[str], str], ends: str
) -> None:
    del running_lab
    source = Source()
    try:
        sent = messages.publish(CRYPTO.topic, change(messages.example(datetime.now(UTC))))
        assert abs(sent.at - time.time()) < 60
        assert source.read(lambda connection: messages.follow(connection, sent)).endswith("in no table yet.")
        run_once(spark)
        assert ends in source.read(lambda connection: messages.follow(connection, sent))
    finally:
        source.close()


# --- What a look costs ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("running_lab")
def test_each_query_of_a_look_uses_an_index_of_large_tables() -> None:
    with db_utils.cursor("lab_owner") as cursor:
        for asset in ASSETS:
            cursor.execute(
                f"INSERT INTO {asset.table} (symbol, currency, price, event_time, ingest_time, source, version,"
                " kafka_partition, kafka_offset) SELECT 'BTC', 'USD', 1, now(), now(), 'test', 1, n % 4, n"
                " FROM generate_series(1, 200000) AS n"
            )
        cursor.execute(
            "INSERT INTO pipeline_progress SELECT (ARRAY['ticks', 'candles'])[1 + n % 2], gen_random_uuid(), n,"
            " now() - n * interval '200 ms', 5, 1, 1, '{\"triggerExecution\": 100}', '{}', NULL, 0, 0, 0"
            " FROM generate_series(1, 60000) AS n"
        )
        cursor.execute("ANALYZE crypto_data, stock_data, pipeline_progress")
    known = json.dumps({str(part): 199_000 for part in range(PARTITIONS)})
    queries: list[tuple[Any, dict[str, Any]]] = [
        (PROGRESS, {}),
        (LATENCY, {"partitions": PARTITIONS}),
        (ROWS["crypto_data"], {"partitions": PARTITIONS, "known": known}),
        (BATCHES, {"span": SPAN, "step": SPAN / POINTS}),
    ]
    with db_utils.engine().connect() as connection:
        for query, values in queries:
            (plan,) = connection.execute(text(f"EXPLAIN (FORMAT JSON) {query.text}"), values).scalar_one()
            assert_index_scans(plan["Plan"])
