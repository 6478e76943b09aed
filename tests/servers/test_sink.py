"""The promise of the sink, on a real PostgreSQL: all of a batch, once, whatever happens in between."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import postgres_server
from lab_utils.streaming import postgres_sink
from lab_utils.streaming.postgres_sink import (
    Batch,
    BatchId,
    PostgresSink,
    RefusedRecordError,
    store_candles,
    store_records,
)
from lab_utils.ticks import ASSETS, CRYPTO, Asset
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers.records import at, contents

pytestmark = pytest.mark.usefixtures("empty_tables")

TICKS = BatchId(str(uuid.UUID(int=1)), 0)
CANDLES = "candles"


@pytest.fixture
def empty_tables(session_lab: Lab) -> None:
    db_utils.empty_tables()


@pytest.fixture
def sink() -> Iterator[PostgresSink]:
    with closing(PostgresSink("ticks")) as opened:
        yield opened


def line(offset: int, minutes: float = 0, price: str = "100", size: str = "1", symbol: str = "BTC") -> str:
    """A tick as the CSV line of its table."""
    return f"{at(minutes)},{symbol},USD,{price},{size},{at(minutes)},test,1,,,,0,{offset}\n"


def batch_of(*lines: str) -> Batch:
    return Batch({CRYPTO.table: "".join(lines).encode()})


def all_new(*lines: str) -> Callable[[Any], int]:
    """Lines that go straight into the table unless one of them is there already: none of them is late."""
    batch = Batch(batch_of(*lines).lines, {CRYPTO.table: moment(0)})
    return lambda cursor: store_records(cursor, batch)


def storing(*lines: str, **options: Any) -> Callable[[Any], int]:
    return lambda cursor: store_records(cursor, batch_of(*lines), **options)


def candle_line(minutes: float, tick_count: int, price: str = "100", volume: str = "1") -> str:
    return f"crypto,BTC,USD,{at(minutes)},{price},{price},{price},{price},{volume},{tick_count}\n"


def storing_candles(watermark_minutes: float, *lines: str) -> Callable[[Any], int]:
    watermark = moment(watermark_minutes)
    return lambda cursor: store_candles(cursor, "".join(lines).encode(), watermark)


def moment(minutes: float) -> datetime:
    return datetime.fromisoformat(at(minutes))


def offsets() -> list[int]:
    """The stored ticks, one entry a row."""
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT kafka_offset FROM crypto_data ORDER BY 1")
        return [offset for (offset,) in cursor.fetchall()]


def commits() -> list[tuple[str, str, int, int]]:
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT sink, query_id, batch_id, row_count FROM stream_commits ORDER BY 1, 2, 3")
        return [tuple(row) for row in cursor.fetchall()]


def candle(minutes: float) -> tuple[Any, ...] | None:
    """Open, high, low, close, volume and tick count of a minute."""
    return contents().candles.get(("crypto", "BTC", "USD", moment(minutes)))


def flat(price: int, volume: int, tick_count: int) -> tuple[Any, ...]:
    return (*[Decimal(price)] * 4, Decimal(volume), tick_count)


def columns_of(table: str) -> list[tuple[str, str]]:
    with db_utils.cursor() as cursor:
        cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (table,),
        )
        return [tuple(row) for row in cursor.fetchall()]


SQL_TYPES = {
    "string": "text",
    "decimal(38,18)": "numeric(38,18)",
    "timestamp": "timestamp with time zone",
    "smallint": "smallint",
}


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.name)
def test_a_table_has_the_fields_of_its_model_and_the_place_in_kafka(asset: Asset) -> None:
    fields = [(name, SQL_TYPES[rule.sql_type]) for name, rule in asset.tick.rules().items()]
    assert columns_of(asset.table) == [*fields, ("kafka_partition", "integer"), ("kafka_offset", "bigint")]


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.name)
def test_a_column_may_be_null_where_the_model_may_lack_the_field(asset: Asset) -> None:
    with db_utils.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attnotnull",
            (asset.table,),
        )
        nullable = {name for (name,) in cursor.fetchall()}
    assert nullable == set(asset.tick.model_fields) - asset.tick.required()


def test_the_same_batch_twice_is_stored_once(sink: PostgresSink) -> None:
    for _ in range(2):
        sink.write(storing(line(0), line(1)), TICKS)
    assert offsets() == [0, 1]


def test_a_batch_that_is_in_already_is_reported_as_skipped(sink: PostgresSink) -> None:
    assert [sink.write(storing(line(0)), TICKS) for _ in range(2)] == [True, False]


def test_a_batch_that_is_skipped_does_not_count_as_rows_brought_in(sink: PostgresSink) -> None:
    for _ in range(2):
        sink.write(storing(line(0), line(1)), TICKS)
    assert sink.rows == 2


def test_the_same_rows_under_a_new_query_id_are_stored_once(sink: PostgresSink) -> None:
    for number in range(2):
        sink.write(storing(line(0), line(1)), BatchId(str(uuid.UUID(int=number)), 0))
    assert offsets() == [0, 1]


def test_a_batch_of_new_and_stored_rows_is_stored_once(sink: PostgresSink) -> None:
    sink.write(all_new(line(0), line(1)), TICKS)
    sink.write(all_new(line(1), line(2)), BatchId(TICKS.query_id, 1))
    assert offsets() == [0, 1, 2]


def test_rows_that_go_straight_into_the_table_and_late_ones_make_the_same_candle(sink: PostgresSink) -> None:
    sink.write(all_new(line(0, 0)), TICKS)
    sink.write(storing_candles(20, candle_line(0, 1)))
    sink.write(all_new(line(1, 0.5)), BatchId(TICKS.query_id, 1))
    assert (candle(0), db_utils.late_ticks()) == (flat(100, 2, 2), 1)


def test_one_batch_id_of_two_queries_is_two_batches(sink: PostgresSink) -> None:
    for number in range(2):
        sink.write(storing(line(number)), BatchId(str(uuid.UUID(int=number)), 0))
    assert offsets() == [0, 1]


def test_a_batch_of_a_known_name_with_another_fingerprint_is_stored(sink: PostgresSink) -> None:
    for number, mark in enumerate(("a", "b", "b")):
        name = BatchId(TICKS.query_id, 7, mark)
        assert sink.write(storing(*(line(place) for place in range(number + 1))), name) is (number < 2)
    assert offsets() == [0, 1]


def test_the_marker_tells_how_many_records_the_batch_had(sink: PostgresSink) -> None:
    sink.write(storing(line(0), line(1)), TICKS)
    assert commits() == [("ticks", TICKS.query_id, 0, 2)]


def test_a_dead_letter_with_newlines_is_one_record(sink: PostgresSink) -> None:
    batch = Batch({"dead_letters": b'crypto_topic.dlq,0,0,,"one\ntwo\nthree"\n'})
    sink.write(lambda cursor: store_records(cursor, batch), TICKS)
    assert commits()[0][-1] == 1


def test_a_batch_that_fails_leaves_nothing(sink: PostgresSink) -> None:
    def fail(cursor: Any) -> int:
        store_records(cursor, batch_of(line(0)))
        raise RuntimeError("the driver is out of memory")

    with pytest.raises(RuntimeError):
        sink.write(fail, TICKS)
    assert (offsets(), commits()) == ([], [])


def test_after_a_failure_the_batch_can_be_written(sink: PostgresSink) -> None:
    def fail(_cursor: Any) -> int:
        raise RuntimeError("the driver is out of memory")

    with pytest.raises(RuntimeError):
        sink.write(fail, TICKS)
    assert sink.write(storing(line(0)), TICKS)


def test_a_connection_that_is_cut_in_the_middle_of_a_batch_is_opened_again(sink: PostgresSink) -> None:
    tries = []

    def cut_once(cursor: Any) -> int:
        rows = store_records(cursor, batch_of(line(0), line(1)))
        tries.append(rows)
        if len(tries) == 1:
            cursor.execute("SELECT pg_backend_pid()")
            terminate(cursor.fetchone()[0])
        return rows

    sink.write(cut_once, TICKS)
    assert (len(tries), offsets()) == (2, [0, 1])


def test_a_batch_that_took_long_and_then_failed_is_tried_again(
    sink: PostgresSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_sink, "RETRY_SECONDS", 0.5)
    tries = []

    def cut_late(cursor: Any) -> int:
        tries.append(1)
        if len(tries) == 1:
            cursor.execute("SELECT pg_sleep(1), pg_terminate_backend(pg_backend_pid())")
        return store_records(cursor, batch_of(line(0)))

    sink.write(cut_late, TICKS)
    assert (len(tries), offsets()) == (2, [0])


def test_a_batch_that_goes_on_failing_is_given_up_in_time(sink: PostgresSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_sink, "RETRY_SECONDS", 0.5)

    def cut(cursor: Any) -> int:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        raise AssertionError("unreachable")

    with pytest.raises(psycopg2.Error, match="connection"):
        sink.write(cut, TICKS)


def terminate(pid: int) -> None:
    with postgres_server.superuser(postgres_server.port()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
        wait_until(lambda: not is_connected(cursor, pid), 20, f"backend {pid} to end")


def is_connected(cursor: Any, pid: int) -> bool:
    cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (pid,))
    return bool(cursor.fetchone()[0])


def test_a_sink_goes_on_after_the_database_was_restarted(sink: PostgresSink) -> None:
    sink.write(storing(line(0)), TICKS)
    postgres_server.stop()
    postgres_server.start()
    sink.write(storing(line(1)), BatchId(TICKS.query_id, 1))
    assert offsets() == [0, 1]


def test_a_batch_waits_for_a_database_that_comes_back_later(sink: PostgresSink) -> None:
    sink.write(storing(line(0)), TICKS)
    postgres_server.stop()
    tried = threading.Event()
    sink._say = lambda _state: tried.set()  # type: ignore[method-assign]
    writer = threading.Thread(target=sink.write, args=(storing(line(1)), BatchId(TICKS.query_id, 1)))
    writer.start()
    try:
        assert tried.wait(30)
    finally:
        postgres_server.start()
    writer.join(60)
    assert offsets() == [0, 1]


def test_two_sinks_of_one_name_write_one_after_the_other(sink: PostgresSink) -> None:
    with closing(PostgresSink("ticks")) as other:
        entered, go_on = threading.Event(), threading.Event()

        def linger(cursor: Any) -> int:
            rows = store_records(cursor, batch_of(line(0)))
            entered.set()
            assert go_on.wait(60)
            return rows

        first = threading.Thread(target=sink.write, args=(linger, TICKS))
        first.start()
        assert entered.wait(30)
        outcome: list[bool] = []
        second = threading.Thread(target=lambda: outcome.append(other.write(storing(line(0)), TICKS)))
        second.start()
        wait_until(waits_for_the_sink, 30, "the second sink to wait")
        go_on.set()
        first.join(30)
        second.join(30)
    assert (outcome, offsets()) == ([False], [0])


def waits_for_the_sink() -> bool:
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("store", [all_new, storing], ids=["straight", "staged"])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(line(7, price="abc"), 'invalid input syntax for type numeric: "abc"', id="no number"),
        pytest.param(line(7, price="1e30"), "numeric field overflow", id="too large a number"),
        pytest.param(line(7, price=""), 'null value in column "price"', id="no price"),
        pytest.param(line(7, symbol="\0"), "invalid byte sequence", id="a zero byte"),
    ],
)
def test_a_record_that_postgresql_refuses_is_named_without_another_try(
    sink: PostgresSink, store: Callable[..., Callable[[Any], int]], bad: str, reason: str
) -> None:
    tries = []

    def refused(cursor: Any) -> int:
        tries.append(1)
        return store(line(0), line(1), bad, line(2))(cursor)

    with pytest.raises(RefusedRecordError) as failed:
        sink.write(refused, TICKS)
    assert f"topic {CRYPTO.topic}, partition 0, offset 7: {reason}" in str(failed.value)
    assert (len(tries), offsets(), commits()) == (1, [], [])


def test_a_dead_letter_that_postgresql_refuses_is_named_although_it_has_newlines(sink: PostgresSink) -> None:
    lines = b'stock_topic.dlq,3,41,,"one\ntwo"\nstock_topic.dlq,3,42,\\xzz,"reason\n"\n'
    with pytest.raises(RefusedRecordError, match=r"topic stock_topic\.dlq, partition 3, offset 42: "):
        sink.write(lambda cursor: store_records(cursor, Batch({"dead_letters": lines})), TICKS)


PASSING = ["08006", "40001", "40P01", "53100", "53300", "57P01"]
LASTING = ["22P02", "23514", "42501", "42P01", "XX000"]


@pytest.mark.parametrize("state", PASSING)
def test_an_error_that_passes_is_tried_again(sink: PostgresSink, state: str) -> None:
    tries = []

    def fail_once(cursor: Any) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise_error(cursor, state)
        return store_records(cursor, batch_of(line(0)))

    sink.write(fail_once, TICKS)
    assert (len(tries), offsets()) == (2, [0])


@pytest.mark.parametrize("state", LASTING)
def test_an_error_that_stays_is_raised_at_once(sink: PostgresSink, state: str) -> None:
    tries = []

    def fail(cursor: Any) -> int:
        tries.append(1)
        raise_error(cursor, state)
        return 0

    with pytest.raises(psycopg2.Error) as failed:
        sink.write(fail, TICKS)
    assert (failed.value.pgcode, len(tries)) == (state, 1)


def raise_error(cursor: Any, state: str) -> None:
    """Let the database raise an error of this SQLSTATE."""
    cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'a test' USING ERRCODE = '{state}'; END $$")


def test_a_wrong_password_is_raised_without_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_WRITER_PASSWORD", "wrong")
    tried: list[object] = []
    sink = PostgresSink("ticks")
    sink._say = tried.append  # type: ignore[method-assign]
    try:
        with pytest.raises(LabError, match="refused the password of lab_writer"):
            sink.write(storing(line(0)), TICKS)
    finally:
        monkeypatch.undo()
    assert tried == []


@pytest.mark.parametrize(
    "raw",
    [None, b"", b"\0", b"a\0b", b"\xff\xfe", b'"', b'"",\n,""', b"\\.\n", b"\\N", b"\r\n", bytes(range(256))],
    ids=repr,
)
def test_a_dead_letter_keeps_its_exact_bytes(sink: PostgresSink, raw: bytes | None) -> None:
    field = "" if raw is None else f"\\x{raw.hex()}"
    batch = Batch({"dead_letters": f'crypto_topic,0,0,{field},"reason"\n'.encode()})
    sink.write(lambda cursor: store_records(cursor, batch), TICKS)
    assert contents().dead_letters == {("crypto_topic", 0, 0): (raw, "reason")}


def test_a_candle_is_replaced_by_one_of_more_ticks(sink: PostgresSink) -> None:
    sink.write(storing_candles(0, candle_line(0, 3, "100")))
    sink.write(storing_candles(0, candle_line(0, 4, "105")))
    assert candle(0) == flat(105, 1, 4)


@pytest.mark.parametrize("tick_count", [2, 3])
def test_a_candle_is_not_replaced_by_one_of_as_many_or_fewer_ticks(sink: PostgresSink, tick_count: int) -> None:
    sink.write(storing_candles(0, candle_line(0, 3, "100")))
    sink.write(storing_candles(0, candle_line(0, tick_count, "105")))
    assert candle(0) == flat(100, 1, 3)


def test_a_tick_later_than_the_watermark_is_in_its_candle(sink: PostgresSink) -> None:
    sink.write(storing(line(0, 0)), TICKS)
    sink.write(storing_candles(20, candle_line(0, 1)))
    sink.write(storing(line(1, 0.5, price="90")), BatchId(TICKS.query_id, 1))
    assert candle(0) == (Decimal(100), Decimal(100), Decimal(90), Decimal(90), Decimal(2), 2)


def test_a_tick_later_than_the_watermark_is_counted(sink: PostgresSink) -> None:
    sink.write(storing(line(0, 0)), TICKS)
    sink.write(storing_candles(20, candle_line(0, 1)))
    sink.write(storing(line(1, 0.5), line(2, 21)), BatchId(TICKS.query_id, 1))
    assert db_utils.late_ticks() == 1


def test_ticks_that_are_read_again_do_not_count_as_late(sink: PostgresSink) -> None:
    sink.write(storing(line(0, 0)), TICKS)
    sink.write(storing_candles(20, candle_line(0, 1)))
    sink.write(storing(line(0, 0)), BatchId(str(uuid.UUID(int=2)), 0))
    assert db_utils.late_ticks() == 0


def test_a_tick_that_spark_dropped_is_in_its_candle_when_the_minute_closes(sink: PostgresSink) -> None:
    sink.write(storing(line(0, 0), line(1, 0.5)), TICKS)
    sink.write(storing_candles(20, candle_line(0, 1)))
    assert candle(0) == flat(100, 2, 2)


def test_a_tick_that_spark_dropped_is_counted_when_the_minute_closes(sink: PostgresSink) -> None:
    sink.write(storing(line(0, 0), line(1, 0.5)), TICKS)
    sink.write(storing_candles(20, candle_line(0, 1)))
    assert db_utils.late_ticks() == 1


def test_a_minute_that_is_still_open_is_left_to_spark(sink: PostgresSink) -> None:
    sink.write(storing(line(0, 0), line(1, 0.5)), TICKS)
    sink.write(storing_candles(0.9, candle_line(0, 1)))
    assert candle(0) == flat(100, 1, 1)


def test_the_watermark_does_not_go_back(sink: PostgresSink) -> None:
    sink.write(storing_candles(20, candle_line(0, 1)))
    sink.write(storing_candles(10, candle_line(1, 1)))
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT watermark FROM candle_watermark")
        assert cursor.fetchone()[0] == moment(20)


def test_a_writer_without_spark_makes_the_candles_itself(sink: PostgresSink) -> None:
    sink.write(storing(line(0, 0), line(1, 0.5), all_candles=True), TICKS)
    assert candle(0) == flat(100, 2, 2)


def test_a_late_tick_and_the_closing_of_its_minute_at_once_lose_no_tick(sink: PostgresSink) -> None:
    """Whichever comes first in the database, the other one sees it."""
    with closing(PostgresSink(CANDLES)) as other:
        sink.write(storing(line(0, 0)), TICKS)
        writers = [
            threading.Thread(target=other.write, args=(storing_candles(20, candle_line(0, 1)),)),
            threading.Thread(target=sink.write, args=(storing(line(1, 0.5)), BatchId(TICKS.query_id, 1))),
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(60)
    assert candle(0) == flat(100, 2, 2)


def test_topics_seen_for_the_first_time_are_remembered(session_lab: Lab) -> None:
    ids = kafka_utils.topic_ids()
    db_utils.check_topics(ids)
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT topic, topic_id::text FROM stream_topics")
        assert dict(cursor.fetchall()) == ids


def test_a_topic_with_another_id_is_refused_with_the_repair() -> None:
    db_utils.check_topics({CRYPTO.topic: str(uuid.UUID(int=1))})
    with pytest.raises(LabError, match="was deleted and created again") as refused:
        db_utils.check_topics({CRYPTO.topic: str(uuid.UUID(int=2))})
    assert "lab reset" in refused.value.repair


def test_the_writer_cannot_delete_a_tick(sink: PostgresSink) -> None:
    sink.write(storing(line(0)), TICKS)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), db_utils.cursor("lab_writer") as cursor:
        cursor.execute("DELETE FROM crypto_data")


def test_the_latest_price_is_that_of_the_newest_tick(sink: PostgresSink) -> None:
    sink.write(storing(line(0, 1, price="7"), line(1, 0, price="8"), all_candles=True), TICKS)
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT price, event_time FROM latest_prices")
        assert cursor.fetchall() == [(Decimal(7), moment(0) + timedelta(minutes=1))]
