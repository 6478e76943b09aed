"""A guard that no test misses is not tested: switch off each guard of the sink, and a test must notice."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lab_utils import db_utils
from lab_utils.streaming import csv_batch
from lab_utils.streaming.postgres_sink import BatchId, PostgresSink
from lab_utils.ticks import ASSETS
from tests.labs import Lab
from tests.servers import test_pipeline, test_sink


class NoMarker(PostgresSink):
    """Takes every batch for a new one."""

    def _mark(self, cursor: Any, batch: BatchId) -> bool:
        super()._mark(cursor, batch)
        return True


class NoTransaction(PostgresSink):
    """Commits the marker before the rows."""

    def _mark(self, cursor: Any, batch: BatchId) -> bool:
        is_new = super()._mark(cursor, batch)
        cursor.execute("COMMIT")
        cursor.execute("BEGIN")
        return is_new


@contextmanager
def no_key() -> Iterator[None]:
    """The tick tables without their primary keys."""
    with db_utils.cursor("lab_owner") as cursor:
        for asset in ASSETS:
            cursor.execute(f"ALTER TABLE {asset.table} DROP CONSTRAINT {asset.table}_pkey")
    try:
        yield
    finally:
        with db_utils.cursor("lab_owner") as cursor:
            for asset in ASSETS:
                cursor.execute(f"TRUNCATE {asset.table}")
                cursor.execute(f"ALTER TABLE {asset.table} ADD PRIMARY KEY (kafka_partition, kafka_offset)")


SinkTest = Callable[[PostgresSink], None]
MARKER_TESTS: list[SinkTest] = [
    test_sink.test_a_batch_that_is_in_already_is_reported_as_skipped,
    test_sink.test_a_batch_that_is_skipped_does_not_count_as_rows_brought_in,
]
TRANSACTION_TESTS: list[SinkTest] = [
    test_sink.test_a_batch_that_fails_leaves_nothing,
    test_sink.test_after_a_failure_the_batch_can_be_written,
    test_sink.test_a_connection_that_is_cut_in_the_middle_of_a_batch_is_opened_again,
]
KEY_TESTS: list[SinkTest] = [
    test_sink.test_the_same_rows_under_a_new_query_id_are_stored_once,
    test_sink.test_a_batch_of_new_and_stored_rows_is_stored_once,
]


@pytest.fixture
def empty_tables(running_lab: Lab) -> Lab:
    return running_lab


@pytest.mark.parametrize("check", MARKER_TESTS)
def test_a_sink_without_the_marker_is_noticed(empty_tables: Lab, check: SinkTest) -> None:
    with closing(NoMarker("ticks")) as mutant, pytest.raises(AssertionError):
        check(mutant)


@pytest.mark.parametrize("check", TRANSACTION_TESTS)
def test_a_sink_without_the_transaction_is_noticed(empty_tables: Lab, check: SinkTest) -> None:
    with closing(NoTransaction("ticks")) as mutant, pytest.raises(AssertionError):
        check(mutant)


@pytest.mark.parametrize("check", KEY_TESTS)
def test_a_table_without_the_key_is_noticed(empty_tables: Lab, check: SinkTest) -> None:
    with closing(PostgresSink("ticks")) as sink, no_key(), pytest.raises(AssertionError):
        check(sink)


def test_a_pipeline_without_the_quarantine_is_noticed(
    running_lab: Lab, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_batch, "_dead_letter_line", lambda *_arguments: "")
    with pytest.raises(AssertionError):
        test_pipeline.test_each_record_is_in_its_table_or_a_dead_letter_and_each_candle_is_exact(running_lab, spark)
