"""Checks, their probes and `lab reset UNIT` on real servers, and what a check says when a server stops meanwhile."""

import gc
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from lab_utils import db_utils, kafka_utils, stack
from lab_utils.errors import LabError
from lab_utils.servers import kafka_server, processes
from lab_utils.settings import ROOT
from lab_utils.teaching import engine, grade, workbook
from lab_utils.teaching.bounded import run_bounded, stream_of
from lab_utils.teaching.outcomes import Outcome
from lab_utils.teaching.pictures import partition_bars, pipeline_map
from lab_utils.teaching.probes import Broker, Tables
from lab_utils.teaching.trial import Trial
from lab_utils.teaching.units import find_exercise
from lab_utils.waiting import wait_until
from tests.labs import Lab, clean_environment


@pytest.fixture
def broker(running_lab: Lab) -> Iterator[Broker]:
    made = Broker()
    yield made
    made.close()


# --- Probes -----------------------------------------------------------------------------------------------------


def test_the_broker_says_what_a_topic_holds(broker: Broker) -> None:
    broker.create_topic("asked", 2, retention_ms="7200000")
    sent = broker.send("asked", [(1, b"BTC", b"1", 1_700_000_000_000), (0, None, b"2", 1_700_000_000_001)])
    assert "asked" in broker.topics()
    assert broker.partitions("asked") == 2
    assert broker.setting("asked", "retention.ms") == "7200000"
    assert broker.setting("asked", "cleanup.policy") == "delete", "also settings that nobody changed"
    assert broker.end_offsets("asked") == {0: 1, 1: 1}
    assert broker.records("asked") == sorted(sent, key=lambda seen: seen.partition)


def test_a_consumer_gives_the_offsets_of_a_topic_it_knows_and_of_one_it_has_not_met(broker: Broker) -> None:
    for topic in ("met", "not.met"):
        broker.create_topic(topic, 2)
    broker.send("not.met", [(1, None, b"x", 1_700_000_000_000)])
    consumer = broker.consumer()
    known, unknown = TopicPartition("met", 0), TopicPartition("not.met", 1)
    assert consumer.end_offsets([known]) == {known: 0}
    assert consumer.end_offsets([known, unknown]) == {known: 0, unknown: 1}
    assert consumer.offsets_for_times({known: 0, unknown: 1_800_000_000_000}) == {known: None, unknown: None}


def test_a_producer_that_nobody_flushed_is_closed_for_good_and_says_nothing_later(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    broker.create_topic("thrown.away", 1)
    made = Broker()
    producer, sent = made.watched_producer(linger_ms=60_000)
    threads = threading.active_count()
    producer.send("thrown.away", value=b"nobody waits for this")
    made.close()
    wait_until(lambda: threading.active_count() < threads, 20, "the producer's thread to end")
    assert sent[0].failed()
    del producer, sent, made
    gc.collect()
    assert complaints == []
    assert capfd.readouterr().err == ""
    assert broker.end_offsets("thrown.away") == {0: 0}


def test_the_broker_says_where_a_group_is(broker: Broker) -> None:
    broker.create_topic("asked", 2)
    broker.send("asked", [(0, None, b"x", 1_700_000_000_000)] * 3)
    broker.commit("readers", "asked", {0: 2})
    assert broker.committed("readers", "asked") == {0: 2, 1: None}


def test_a_missing_topic_is_named_with_the_repair(broker: Broker) -> None:
    with pytest.raises(LabError, match=r"The topic nowhere is missing\. lab up"):
        broker.require_topic("nowhere", "lab up")


def test_the_tables_say_what_they_hold(running_lab: Lab) -> None:
    assert Tables().count("crypto_data") == 0
    assert Tables().rows("SELECT %s::int + 1", [1]) == [(2,)]
    assert not Tables().exists("nothing_here")
    with pytest.raises(LabError, match="The table nothing_here is missing"):
        Tables().count("nothing_here")


def test_the_picture_shows_each_record_in_its_partition(broker: Broker) -> None:
    broker.create_topic("drawn", 3)
    broker.send("drawn", [(2, b"BTC", b"a", 1), (2, b"BTC", b"b", 2), (0, None, b"c", 3)])
    bars = {bar.name: (list(bar.y), list(bar.base)) for bar in partition_bars("drawn").data}
    assert bars == {"BTC": (["partition 2"] * 2, [0, 1]), "(no key)": (["partition 0"], [0])}


def test_the_map_shows_which_servers_run(running_lab: Lab) -> None:
    rims = dict(zip(pipeline_map("kafka").data[1].text, pipeline_map("kafka").data[1].marker.line.color, strict=True))
    assert rims["<b>Kafka</b>"] == rims["PostgreSQL"] != rims["Spark"]


# --- A bounded stream -------------------------------------------------------------------------------------------


def test_a_bounded_stream_is_read_to_its_end_batch_by_batch(spark: Any, tmp_path: Path) -> None:
    from pyspark.sql import functions as F

    stream = stream_of(spark, [["1", "2"], ["3"]], tmp_path)
    rows = run_bounded(stream, lambda lines: lines.select(F.col("value").cast("int") * 10), tmp_path)
    assert [row[0] for row in rows] == [10, 20, 30]


def test_a_query_that_an_answer_leaves_running_is_stopped_and_no_other(spark: Any) -> None:
    rate = spark.readStream.format("rate").load()
    students = rate.writeStream.format("noop").start()
    try:
        trial = Trial("06a.1")
        left = trial.spark.readStream.format("rate").load().writeStream.format("noop").start()
        trial.close()
        assert (left.isActive, students.isActive) == (False, True)
    finally:
        students.stop()


def test_late_data_is_late_in_a_bounded_stream(spark: Any, tmp_path: Path) -> None:
    from pyspark.sql import DataFrame
    from pyspark.sql import functions as F

    def per_minute(lines: DataFrame) -> DataFrame:
        times = lines.select(F.col("value").cast("timestamp").alias("time")).withWatermark("time", "1 minute")
        return times.groupBy(F.window("time", "1 minute")).count()

    # What counts as late in a batch is the watermark of the batch before it, hence the third line.
    times = ["10:00:30", "10:10:00", "10:10:30", "10:00:40", "10:20:00"]
    stream = stream_of(spark, [[f"2026-01-01 {time}"] for time in times], tmp_path)
    assert [row["count"] for row in run_bounded(stream, per_minute, tmp_path)] == [1, 2]


# --- A server that stops meanwhile ------------------------------------------------------------------------------


def test_a_broker_that_stops_in_the_middle_is_the_environment_never_a_fail(
    fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_STATE_DIR", str(fresh_lab.state_dir))
    try:
        kafka_server.start()
        called = threading.Event()

        def send_ticks(producer: Any, topic: str, ticks: list[dict[str, str]]) -> None:
            called.set()
            wait_until(lambda: kafka_server.process() is None, 60, "the broker to be stopped")
            producer.send(topic, value=json.dumps(ticks[0]).encode()).get(timeout=1)

        stopper = threading.Thread(target=lambda: called.wait(60) and kafka_server.stop())
        stopper.start()
        report = engine.evaluate(find_exercise("01.2"), (send_ticks,), seconds=90)
        stopper.join()
        assert report.outcome is Outcome.ENVIRONMENT
        assert report.message == "Kafka is not running. It was there when the check began."
        assert report.repair == "Start it with: lab up"
        before = engine.evaluate(find_exercise("01.2"), (send_ticks,))
        assert (before.outcome, before.repair) == (Outcome.ENVIRONMENT, "Start it with: lab up")
    finally:
        kafka_server.stop()


def test_a_setting_that_the_broker_learns_of_a_moment_later_is_right(running_lab: Lab) -> None:
    late: list[threading.Timer] = []

    def create_topic(admin: Any, name: str, partitions: int, keep_hours: int) -> None:
        admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1}})
        admin.wait_for_topics([name])

        def change() -> None:
            keep = {"retention.ms": str(keep_hours * 3_600_000)}
            with kafka_utils.admin() as own:
                own.create_partitions({name: partitions})
                own.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=keep)])

        late.append(threading.Timer(0.4, change))
        late[-1].start()

    report = engine.evaluate(find_exercise("01.1"), (create_topic,), seconds=90)
    for timer in late:
        timer.join()
    assert report.outcome is Outcome.PASS, report


def test_a_proof_that_is_asked_to_end_leaves_no_server(tmp_path: Path) -> None:
    proof = subprocess.Popen(
        [sys.executable, "-m", "lab_utils.cli", "verify", "00"],
        env=clean_environment(PYTHONPATH=str(ROOT), TMPDIR=str(tmp_path)),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def of_the_proof() -> list[str]:
        return [" ".join(line) for _, line in processes.find_programs(stack.MAINS) if str(tmp_path) in " ".join(line)]

    try:
        wait_until(lambda: of_the_proof() and any(tmp_path.glob("lab-verify-*/notebooks_*")), 120, "the lesson to run")
        proof.terminate()
        assert proof.wait(60) == 130
        assert of_the_proof() == []
        assert list(tmp_path.glob("lab-verify-*")) == []
    finally:
        proof.kill()
        proof.communicate()


# --- Reset ------------------------------------------------------------------------------------------------------


def test_reset_of_a_unit_removes_what_it_made_and_nothing_else(
    running_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker()
    broker.create_topic("unit01.trades", 1)
    broker.create_topic("unit02.trades", 1)
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS unit01_prices (x int); CREATE TABLE IF NOT EXISTS unit02_prices (x int)"
        )
    folder = workbook.unit_folder("01")
    folder.mkdir(parents=True)
    left = processes.spawn([sys.executable, "-c", "import time; time.sleep(600)", str(folder / "file")], folder / "out")
    removed = running_lab.with_environment(LAB_WORK_DIR=str(tmp_path / "work")).run("reset", "01", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert "topics unit01.trades" in removed.stdout
    assert "tables unit01_prices" in removed.stdout
    assert "1 processes" in removed.stdout
    left.wait(timeout=20)
    assert not folder.exists()
    assert (tmp_path / "work" / "01_kafka.ipynb").exists()
    assert set(kafka_utils.TOPICS) | {"unit02.trades"} <= broker.topics()
    assert "unit01.trades" not in broker.topics()
    assert Tables().exists("unit02_prices")
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute("DROP TABLE unit02_prices")
    broker.close()


# --- Marking a class --------------------------------------------------------------------------------------------

ANSWERS = {
    "00.2": "def mid_price(bid, ask):\n    return bid",
    "00.3": "def to_price(text):\n    return Decimal(text.split()[0])",
    "00.5": "def say_hello(producer, topic):\n    producer.send(topic, value=b'hello')\n    producer.flush()",
}


@pytest.mark.timeout(600)
def test_a_notebook_is_marked_against_servers_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    notebook = nbformat.read(ROOT / "exercises" / "00_welcome.ipynb", as_version=4)
    for place, cell in enumerate(notebook.cells):
        for exercise_id, answer in ANSWERS.items():
            if cell.source.startswith(f'check("{exercise_id}"'):
                notebook.cells[place - 1].source = answer
    (tmp_path / "class").mkdir()
    nbformat.write(notebook, tmp_path / "class" / "ann.ipynb")
    (marks,) = grade.grade(tmp_path / "class", seconds=400, cell_seconds=120, say=lambda _: None)
    assert [mark.outcome for mark in marks] == ["NOT_ATTEMPTED", "FAIL", "PASS", "NOT_ATTEMPTED", "PASS"], marks
    assert {(mark.student, mark.unit) for mark in marks} == {("ann", "00_welcome")}
    assert not Lab(tmp_path).processes(), "the notebook's own servers are left running"
