"""Kafka → Spark → PostgreSQL on the real servers: each record once, whatever is read again, killed or late."""

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kafka import KafkaAdminClient
from pyspark.sql import DataFrame, SparkSession

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import kafka_server, postgres_server
from lab_utils.settings import settings
from lab_utils.streaming import pipeline
from lab_utils.streaming.topic_watch import TopicWatch
from lab_utils.ticks import CRYPTO
from lab_utils.torture.faults import create_again
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers.records import (
    Message,
    at,
    awkward_messages,
    contents,
    dead_letter_messages,
    expected,
    sample_messages,
    send,
    tick_json,
)

QUERIES = ("ticks", "candles")


def run_once(spark: SparkSession) -> dict[str, int]:
    pipeline.prepare()
    return pipeline.run(spark, threading.Event(), once=True)


@contextmanager
def running_pipeline(spark: SparkSession) -> Iterator[Future[dict[str, int]]]:
    """Both queries in a thread; at the end they are stopped, and what they raised is raised here."""
    stopped = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(pipeline.run, spark, stopped, once=False)
        try:
            yield future
        finally:
            stopped.set()
        future.result(120)


def crypto(*values: bytes) -> list[Message]:
    return [Message(CRYPTO.topic, value, b"BTC") for value in values]


def remove_newest_commit(query: str) -> None:
    """What a driver leaves that is killed after the database's commit and before Spark's own note of it."""
    commits = settings().checkpoints_dir / query / "commits"
    newest = max(int(path.name) for path in commits.iterdir() if path.name.isdecimal())
    (commits / str(newest)).unlink()
    (commits / f".{newest}.crc").unlink()


def nothing() -> None:
    pass


def commit_file_of(query: str) -> Callable[[], None]:
    return lambda: remove_newest_commit(query)


def checkpoint_of(query: str) -> Callable[[], None]:
    return lambda: shutil.rmtree(settings().checkpoints_dir / query)


def test_each_record_is_in_its_table_or_a_dead_letter_and_each_candle_is_exact(
    running_lab: Lab, spark: SparkSession
) -> None:
    records = send([*awkward_messages(), *dead_letter_messages(), *sample_messages(1500)])
    run_once(spark)
    assert contents() == expected(records)


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(nothing, id="nothing"),
        pytest.param(pipeline.remove_checkpoints, id="all checkpoints"),
        *(pytest.param(checkpoint_of(query), id=f"the checkpoint of {query}") for query in QUERIES),
        *(pytest.param(commit_file_of(query), id=f"the newest commit of {query}") for query in QUERIES),
    ],
)
def test_a_run_after_losing_files_of_spark_changes_no_row_and_goes_on(
    running_lab: Lab, spark: SparkSession, loss: Callable[[], None]
) -> None:
    records = send([*awkward_messages(), *sample_messages(200)])
    run_once(spark)
    loss()
    records |= send(sample_messages(200, skip=200))
    run_once(spark)
    assert contents() == expected(records)


def test_a_batch_that_is_replayed_is_skipped(running_lab: Lab, spark: SparkSession) -> None:
    send(sample_messages(50))
    run_once(spark)
    remove_newest_commit("ticks")
    assert run_once(spark)["ticks"] == 0


def test_a_checkpoint_that_fell_back_loses_nothing(running_lab: Lab, spark: SparkSession, tmp_path: Path) -> None:
    records = send(sample_messages(50))
    run_once(spark)
    shutil.copytree(settings().checkpoints_dir, tmp_path / "backup")
    records |= send(sample_messages(50, skip=50))
    run_once(spark)
    records |= send(sample_messages(50, skip=100))
    shutil.rmtree(settings().checkpoints_dir)
    shutil.copytree(tmp_path / "backup", settings().checkpoints_dir)
    run_once(spark)  # under the number of a batch that is stored, with other records
    assert contents() == expected(records)


def test_ticks_older_than_the_watermark_are_in_their_candles(running_lab: Lab, spark: SparkSession) -> None:
    records = send(crypto(*(tick_json(event_time=at(minute)) for minute in (0, 0.5, 1, 60))))
    run_once(spark)
    late = (tick_json(event_time=at(0.2), price="250"), tick_json(event_time=at(1.5), price="1"))
    records |= send(crypto(*late, tick_json(event_time=at(61))))
    run_once(spark)
    assert contents() == expected(records)


def test_ticks_older_than_the_watermark_are_counted(running_lab: Lab, spark: SparkSession) -> None:
    send(crypto(*(tick_json(event_time=at(minute)) for minute in (0, 60))))
    run_once(spark)
    send(crypto(*(tick_json(event_time=at(minute)) for minute in (1, 2, 61))))
    assert run_once(spark)["late"] == 2


def test_a_run_tells_how_many_rows_it_brought(running_lab: Lab, spark: SparkSession) -> None:
    send(crypto(tick_json(), tick_json(event_time=at(1)), b"rubbish"))
    assert run_once(spark) == {"ticks": 3, "candles": 2, "late": 0}


@pytest.mark.parametrize("server", [kafka_server, postgres_server], ids=lambda server: server.NAME)
def test_the_queries_go_on_after_a_server_was_killed_and_started_again(
    running_lab: Lab, spark: SparkSession, server: ModuleType
) -> None:
    records = send(sample_messages(200))
    with running_pipeline(spark) as queries:
        wait_until(lambda: queries.done() or contents().row_count, 200, "the first rows")
        process = server.process()
        assert process is not None
        process.kill()
        wait_until(lambda: server.process() is None, 20, "the server to be gone")
        server.start()
        records |= send(sample_messages(200, skip=200))
        wanted = expected(records)
        wait_until(lambda: queries.done() or contents() == wanted, 200, "all records in their tables", every=0.3)
    assert contents() == wanted


def test_a_stream_that_is_killed_loses_and_doubles_nothing_and_times_are_utc(running_lab: Lab) -> None:
    lab = running_lab.with_environment(TZ="Asia/Kolkata")
    records = send([*awkward_messages(), *sample_messages(500)])
    stream = lab.begin("stream")
    try:
        wait_until(lambda: contents().row_count or stream.poll() is not None, 200, "the first rows", every=0.2)
        records |= send(sample_messages(500, skip=500))
    finally:
        stream.kill()
        stream.communicate()
    again = lab.run("stream", "--once")
    assert (again.returncode, contents()) == (0, expected(records)), again.stderr


def test_a_connection_that_is_cut_while_the_topics_are_looked_at_does_not_end_the_stream(
    running_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    del running_lab

    def cut(_topic_ids: object) -> None:
        with db_utils.cursor("lab_writer") as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(db_utils, "check_topics", cut)
    with pytest.raises(LabError, match="PostgreSQL cut the connection"):
        pipeline.prepare()
    TopicWatch().look(now=True)


def test_a_broker_that_dies_while_the_topics_are_looked_at_does_not_end_the_stream(
    running_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    del running_lab
    describe = KafkaAdminClient.describe_topics

    def kill_first(client: Any, *arguments: Any, **options: Any) -> Any:
        broker = kafka_server.process()
        if broker is not None:
            broker.kill()
        return describe(client, *arguments, **options)

    monkeypatch.setattr(KafkaAdminClient, "describe_topics", kill_first)
    try:
        with pytest.raises(LabError, match=r"Kafka (does not answer|is not running)"):
            pipeline.prepare()
        TopicWatch().look(now=True)
    finally:
        kafka_server.start()


def test_a_query_whose_database_refuses_the_rows_says_so_in_one_sentence(running_lab: Lab, spark: SparkSession) -> None:
    send(crypto(tick_json()))
    try:
        with db_utils.cursor("lab_owner") as cursor:
            cursor.execute("REVOKE INSERT ON crypto_data FROM lab_writer")
        with pytest.raises(LabError) as failed:
            run_once(spark)
    finally:
        with db_utils.cursor("lab_owner") as cursor:
            cursor.execute("GRANT INSERT ON crypto_data TO lab_writer")
    assert failed.value.what.startswith("The query ticks failed: ")
    assert failed.value.what.endswith("permission denied for table crypto_data.")


def test_records_that_are_gone_from_kafka_stop_the_run_with_the_repair(running_lab: Lab, spark: SparkSession) -> None:
    send(crypto(tick_json()))
    run_once(spark)
    places = send(crypto(*[tick_json()] * 3))
    from kafka import TopicPartition

    with kafka_utils.admin() as client:
        client.delete_records({TopicPartition(CRYPTO.topic, place[1]): place[2] + 1 for place in places})
    with pytest.raises(LabError, match="The checkpoint and the topics disagree") as failed:
        run_once(spark)
    assert "lab reset" in failed.value.repair


def test_a_topic_that_was_created_again_is_refused(running_lab: Lab, spark: SparkSession) -> None:
    send(crypto(tick_json()))
    run_once(spark)
    create_again(CRYPTO.topic)
    with pytest.raises(LabError, match="was deleted and created again"):
        run_once(spark)


def test_a_query_that_fails_in_whatever_way_when_its_topic_was_made_anew_names_that(
    running_lab: Lab, spark: SparkSession
) -> None:
    pipeline.prepare()
    create_again(CRYPTO.topic)

    def fail(_batch: DataFrame, _batch_id: int) -> None:
        raise RuntimeError("o1553.getResult")

    query = spark.readStream.format("rate").load().writeStream.foreachBatch(fail).start()
    wait_until(lambda: query.exception() is not None, 60, "the query to fail")
    with pytest.raises(db_utils.TopicChangedError, match="created again"):
        pipeline._watch([query], threading.Event())


def test_a_broker_that_does_not_answer_while_spark_starts_is_waited_for(running_lab: Lab) -> None:
    assert pipeline.is_prepared()
    broker = kafka_server.process()
    assert broker is not None
    broker.suspend()
    try:
        assert not pipeline.is_prepared()
    finally:
        broker.resume()
    wait_until(pipeline.is_prepared, 60, "the broker to answer again")


def test_a_second_process_may_not_use_the_checkpoints(running_lab: Lab) -> None:
    with pipeline.only_one():
        refused = running_lab.run("stream", "--once")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 2)
    assert "The Spark queries run already" in refused.stderr


def test_removing_the_checkpoints_leaves_none(session_lab: Lab) -> None:
    folder: Path = settings().checkpoints_dir / "ticks"
    folder.mkdir(parents=True, exist_ok=True)
    pipeline.remove_checkpoints()
    assert not settings().checkpoints_dir.exists()
