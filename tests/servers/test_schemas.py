"""Schemas with the lab's tables: those of checks leave nothing behind, that of a lesson is made once and reset."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from lab_utils import db_utils
from lab_utils.servers.postgres_server import READER_SECONDS
from lab_utils.teaching import schemas
from lab_utils.teaching.probes import Tables
from lab_utils.teaching.schemas import Schema, Tick
from tests.labs import Lab

MOMENT = datetime(2026, 3, 10, 23, 45, tzinfo=UTC)


@pytest.fixture
def schema(running_lab: Lab) -> Iterator[Schema]:
    made = Schema()
    yield made
    made.close()


def names() -> set[str]:
    return {name for (name,) in Tables().rows("SELECT nspname FROM pg_namespace")}


def tick(symbol: str, price: str, moment: datetime = MOMENT) -> Tick:
    return ("crypto", symbol, "USD", Decimal(price), None, moment)


def test_a_schema_holds_the_lab_s_tables_and_views_and_only_its_own_rows(schema: Schema) -> None:
    schema.add_ticks([tick("BTC", "1.5"), ("stock", "AAPL", "USD", Decimal(2), Decimal(3), MOMENT), tick("BTC", "1.6")])
    schema.add_candles([("crypto", "BTC", "USD", MOMENT, Decimal("1.6"))])
    with schema.engine().connect() as connection:
        rows = connection.execute(text("SELECT symbol, price, size FROM ticks ORDER BY price")).all()
        latest = connection.execute(text("SELECT symbol, price FROM latest_prices")).all()
    assert [tuple(row) for row in rows] == [
        ("BTC", Decimal("1.5"), None),
        ("BTC", Decimal("1.6"), None),
        ("AAPL", Decimal(2), Decimal(3)),
    ]
    assert [tuple(row) for row in latest] == [("BTC", Decimal("1.6"))]


def test_rows_come_in_the_order_of_arrival_unless_asked_otherwise(schema: Schema) -> None:
    schema.add_ticks([tick("BTC", str(number), MOMENT - timedelta(seconds=number)) for number in range(1, 50)])
    with schema.engine().connect() as connection:
        prices = connection.execute(text("SELECT price FROM ticks WHERE symbol = 'BTC'")).scalars().all()
    assert prices == list(range(1, 50))


def test_sessions_are_in_the_time_zone_that_the_check_asks_for(schema: Schema) -> None:
    schema.add_ticks([tick("BTC", "1")])
    with schema.engine("Asia/Kolkata").connect() as connection:
        (moment,) = connection.execute(text("SELECT event_time FROM ticks")).one()
    assert moment == MOMENT
    assert moment.utcoffset() == timezone(timedelta(hours=5, minutes=30)).utcoffset(None)


def test_an_answer_cannot_change_anything(schema: Schema) -> None:
    with schema.engine().connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(text("DELETE FROM crypto_data"))


def test_a_query_that_hangs_is_ended_by_the_server(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "STATEMENT_SECONDS", 1)
    with schema.engine().connect() as connection, pytest.raises(DBAPIError, match="statement timeout"):
        connection.execute(text("SELECT pg_sleep(60)"))


def test_a_transaction_that_is_left_open_does_not_keep_the_schema(running_lab: Lab) -> None:
    schema = Schema()
    connection = schema.engine().connect()
    connection.execute(text("SELECT * FROM ticks"))
    schema.close()
    assert schema.name not in names()
    connection.close()


def test_an_answer_that_writes_gets_a_connection_to_this_schema_alone(running_lab: Lab) -> None:
    schema = Schema()
    schema.execute("CREATE TABLE notes (word text)")
    connection = schema.connection()
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO notes VALUES ('kept')")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO notes VALUES ('never committed')")
    assert schema.execute("SELECT word FROM notes") == [("kept",)]
    assert not Tables().exists("notes")
    schema.close()
    assert connection.closed
    assert schema.name not in names()


def test_what_a_killed_kernel_left_is_removed_and_what_is_in_use_is_not(running_lab: Lab) -> None:
    old, new = f"check_{int(time.time()) - 2 * schemas.LEFT_BEHIND_SECONDS}_ab", f"check_{int(time.time())}_ab"
    schemas.make(old)
    schemas.make(new)
    Schema().close()
    assert old not in names()
    assert new in names()
    schemas.drop(new)


def test_the_recorded_hour_is_stored_once_with_its_candles(running_lab: Lab) -> None:
    try:
        for _ in range(2):
            with schemas.recorded_market("unit77").connect() as connection:
                ticks, sizes = connection.execute(text("SELECT count(*), count(size) FROM ticks")).one()
                candles, in_candles = connection.execute(text("SELECT count(*), sum(tick_count) FROM candles_1m")).one()
            assert (ticks, candles, in_candles) == (18_634 + 18_636, 600, ticks)
            assert 0 < sizes < ticks
    finally:
        assert schemas.drop("unit77")


def test_a_question_of_a_lesson_may_take_longer_than_one_of_a_dashboard(running_lab: Lab) -> None:
    try:
        with schemas.recorded_market("unit77").connect() as connection:
            connection.execute(text(f"SELECT pg_sleep({READER_SECONDS + 0.2})"))
    finally:
        assert schemas.drop("unit77")


def test_reset_of_a_unit_removes_its_schema(running_lab: Lab, tmp_path: Path) -> None:
    schemas.make("unit01")
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute("CREATE TABLE unit01.large AS SELECT 1 AS x")
    removed = running_lab.with_environment(LAB_WORK_DIR=str(tmp_path / "work")).run("reset", "01", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert "schemas unit01" in removed.stdout
    assert "unit01" not in names()
