"""`lab consume`: the plain Python consumer stores what the Spark path stores, also when it is stopped or killed."""

import json
import os
import signal

import pytest
from pyspark.sql import SparkSession

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
