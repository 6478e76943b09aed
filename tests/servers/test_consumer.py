"""`lab consume`: the plain Python consumer stores what the Spark path stores, also when it is stopped or killed."""

import json
import os
import signal

import pytest
from kafka import TopicPartition
from pyspark.sql import SparkSession

from lab_utils import kafka_utils
from lab_utils.ticks import CRYPTO
from lab_utils.torture.faults import create_again
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers.records import awkward_messages, contents, dead_letter_messages, expected, sample_messages, send
from tests.servers.test_pipeline import run_once


def consume_once(lab: Lab) -> int:
    done = lab.run("consume", "--once", "--json")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["records"])


def test_each_record_is_in_its_table_or_a_dead_letter_and_each_candle_is_exact(running_lab: Lab) -> None:
    records = send([*awkward_messages(), *dead_letter_messages(), *sample_messages(1500)])
    assert consume_once(running_lab) == len(records)
    assert contents() == expected(records)


def test_it_goes_on_where_it_stopped(running_lab: Lab) -> None:
    records = send(sample_messages(100))
    consume_once(running_lab)
    records |= send(sample_messages(100, skip=100))
    assert consume_once(running_lab) == 200
    assert contents() == expected(records)


def test_spark_and_the_consumer_store_a_record_once_between_them(running_lab: Lab, spark: SparkSession) -> None:
    records = send([*awkward_messages(), *sample_messages(300)])
    consume_once(running_lab)
    run_once(spark)
    assert contents() == expected(records)


def test_after_spark_it_changes_no_row(running_lab: Lab, spark: SparkSession) -> None:
    records = send([*awkward_messages(), *sample_messages(300)])
    run_once(spark)
    consume_once(running_lab)
    assert contents() == expected(records)


def test_a_consumer_that_is_killed_loses_and_doubles_nothing(running_lab: Lab) -> None:
    records = send(sample_messages(6_000))
    consumer = running_lab.begin("consume")
    try:
        wait_until(lambda: contents().row_count or consumer.poll() is not None, 200, "the first rows", every=0.1)
    finally:
        consumer.kill()
        consumer.communicate()
    assert contents().row_count < len(records), "it was killed too late to prove anything"
    consume_once(running_lab)
    assert contents() == expected(records)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["ctrl-c", "terminate"])
def test_a_stopped_consumer_has_stored_what_it_says(running_lab: Lab, number: signal.Signals, code: int) -> None:
    records = send(sample_messages(100))
    consumer = running_lab.begin("consume", "--json")
    wait_until(lambda: contents().row_count == len(records), 200, "all rows")
    os.killpg(consumer.pid, number)
    printed, complaints = consumer.communicate(timeout=60)
    assert consumer.returncode == code, complaints
    assert json.loads(printed) == {"records": len(records)}


def test_beside_a_running_consumer_once_ends_when_the_group_has_stored_all(running_lab: Lab) -> None:
    records = send(sample_messages(200))
    consumer = running_lab.begin("consume")
    try:
        wait_until(lambda: contents().row_count == len(records), 200, "all rows")
        records |= send(sample_messages(200, skip=200))
        consume_once(running_lab)
        assert contents() == expected(records)
    finally:
        consumer.terminate()
        consumer.communicate(timeout=60)


def test_a_topic_that_is_made_again_while_it_is_read_ends_the_consumer_with_the_repair(running_lab: Lab) -> None:
    records = send(sample_messages(50))
    consumer = running_lab.begin("consume")
    try:
        wait_until(lambda: contents().row_count == len(records), 200, "all rows")
        create_again(CRYPTO.topic)
        _, complaints = consumer.communicate(timeout=120)
    finally:
        consumer.kill()
    assert consumer.returncode == 1 and "Traceback" not in complaints
    assert f"The topic {CRYPTO.topic} was deleted and created again" in complaints and "lab reset" in complaints


@pytest.mark.parametrize("is_begun", [True, False], ids=["some stored", "none yet"])
def test_records_that_are_gone_before_they_were_stored_are_not_passed_over(running_lab: Lab, is_begun: bool) -> None:
    stored = send(sample_messages(1))
    consume_once(running_lab)
    begun = {place for place, end in kafka_utils.end_offsets().items() if end}
    send(sample_messages(100, skip=1))
    gone = {
        TopicPartition(*place): end
        for place, end in kafka_utils.end_offsets().items()
        if end and (place in begun) is is_begun
    }
    with kafka_utils.admin() as admin:
        admin.delete_records(gone)
    done = running_lab.run("consume", "--once")
    assert done.returncode == 1
    assert "has not stored are gone from Kafka" in done.stderr and "lab reset" in done.stderr
    assert contents() == expected(stored)
