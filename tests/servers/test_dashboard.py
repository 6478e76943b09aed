"""What the market chart reads from a real database: pairs, candles, the newest price, by way of indexes; and outages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Connection, text

from lab_utils import db_utils, stack
from lab_utils.dashboard import market
from lab_utils.dashboard.market import RANGES, Pair, Range
from lab_utils.dashboard.source import Source
from lab_utils.errors import LabError
from lab_utils.servers import postgres_server
from lab_utils.teaching.schemas import Candle, Schema
from tests.labs import Lab
from tests.servers.plans import assert_index_scans

START = datetime(2026, 3, 10, 22, 0, tzinfo=UTC)
BTC = Pair("crypto", "BTC", "USD")
QUARTER, HOUR, SIX_HOURS, DAY = RANGES
ROWS = 500_000


@pytest.fixture
def schema(running_lab: Lab) -> Iterator[Schema]:
    made = Schema()
    yield made
    made.close()


@pytest.fixture
def connection(schema: Schema) -> Iterator[Connection]:
    with schema.engine().connect() as opened:
        yield opened


def minute(number: int, close: object, pair: Pair = BTC) -> Candle:
    return (
        pair.asset_class,
        pair.symbol,
        pair.currency,
        START + timedelta(minutes=number),
        Decimal(str(close)),
    )


def closes(connection: Connection, wanted: Range, pair: Pair = BTC) -> list[float]:
    return list(market.snapshot(connection, pair, wanted).candles["close"])


def test_the_pairs_are_those_that_have_candles_each_once_and_in_order(schema: Schema, connection: Connection) -> None:
    known = [BTC, Pair("crypto", "XRP", "ETH"), Pair("crypto", "XRP", "USD"), Pair("stock", "AAPL", "USD")]
    schema.add_candles([minute(number, 1, pair) for pair in reversed(known) for number in range(3)])
    assert market.pairs(connection) == known


def test_without_candles_there_is_no_pair_and_an_empty_snapshot(connection: Connection) -> None:
    found = market.snapshot(connection, BTC, HOUR)
    assert (market.pairs(connection), len(found.candles), found.price, found.event_time) == ([], 0, None, None)


def test_a_snapshot_goes_back_from_the_newest_candle_by_its_range(schema: Schema, connection: Connection) -> None:
    schema.add_candles([minute(number, number) for number in range(200)])
    schema.add_candles([minute(500, 1, Pair("crypto", "BTC", "EUR")), minute(500, 1, Pair("stock", "BTC", "USD"))])
    assert closes(connection, QUARTER) == [float(number) for number in range(185, 200)]
    assert closes(connection, HOUR) == [float(number) for number in range(140, 200)]


def test_a_wide_candle_has_the_first_open_and_the_last_close_and_all_of_the_volume(
    schema: Schema, connection: Connection
) -> None:
    with db_utils.cursor("lab_owner") as cursor:
        cursor.executemany(
            f"INSERT INTO {schema.name}.candles_1m VALUES ('crypto', 'BTC', 'USD', %s, %s, %s, %s, %s, %s, 1)",
            [
                (START + timedelta(minutes=number), 10 + number, 30 - number, 5 + number, 20 + number, 2)
                for number in range(7)
            ],
        )
    found = market.snapshot(connection, BTC, SIX_HOURS).candles.to_dict("records")
    names = ("open", "high", "low", "close", "volume")
    assert [tuple(row[name] for name in names) for row in found] == [(10, 30, 5, 24, 10), (15, 25, 10, 26, 4)]
    assert [row["window_start"].to_pydatetime() for row in found] == [START, START + timedelta(minutes=5)]


def test_the_first_averages_that_are_shown_know_the_candles_before_them(schema: Schema, connection: Connection) -> None:
    schema.add_candles([minute(number, number) for number in range(60)])
    found = market.snapshot(connection, BTC, QUARTER).candles
    assert found["average_5"].iloc[0] == sum(range(41, 46)) / 5
    assert found["average_20"].iloc[0] == sum(range(26, 46)) / 20


def test_the_price_is_that_of_the_newest_tick_by_event_time(schema: Schema, connection: Connection) -> None:
    times = [START + timedelta(seconds=second) for second in (1, 9, 5)]
    schema.add_ticks([("crypto", "BTC", "USD", Decimal(number), None, at) for number, at in enumerate(times, 1)])
    schema.add_ticks([("crypto", "BTC", "EUR", Decimal(7), None, START + timedelta(hours=1))])
    found = market.snapshot(connection, BTC, HOUR)
    assert (found.price, found.event_time) == (2.0, times[1])


@pytest.fixture
def large(schema: Schema) -> Schema:
    """Half a million ticks and a month of candles of ten pairs."""
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute(
            f"""
            INSERT INTO {schema.name}.crypto_data
                   (symbol, currency, price, event_time, ingest_time, source, version, kafka_partition, kafka_offset)
            SELECT 'S' || n %% 10, 'USD', 100 + n %% 7, %s + n * interval '1 second', now(), 'test', 1, 0, n
            FROM generate_series(1, {ROWS}) AS n
            """,
            (START,),
        )
        cursor.execute(
            f"""
            INSERT INTO {schema.name}.candles_1m
            SELECT 'crypto', 'S' || n %% 10, 'USD', %s + n / 10 * interval '1 minute', 1, 2, 1, 2, 3, 4
            FROM generate_series(0, 10 * 30 * 1440 - 1) AS n
            """,
            (START,),
        )
        # The schemas of checks leave the ticks without this index; the lab's own tables have it.
        cursor.execute(f"CREATE INDEX ON {schema.name}.crypto_data (symbol, currency, event_time)")
        cursor.execute(f"ANALYZE {schema.name}.crypto_data, {schema.name}.candles_1m")
    return schema


def test_each_query_of_a_snapshot_looks_into_an_index_of_a_large_table(large: Schema) -> None:
    which = {"asset_class": "crypto", "symbol": "S3", "currency": "USD"}
    day = {**which, "width": DAY.width, "back": DAY.span}
    with large.engine().connect() as connection:
        for query, values in ((market.PAIRS, {}), (market.CANDLES, day), (market.NEWEST["crypto"], which)):
            (plan,) = connection.execute(text(f"EXPLAIN (FORMAT JSON) {query.text}"), values).scalar_one()
            assert_index_scans(plan["Plan"])
        assert len(market.pairs(connection)) == 10
        assert len(closes(connection, DAY, Pair(**which))) == 96


def test_a_source_says_that_the_database_is_away_and_finds_it_when_it_is_back(running_lab: Lab) -> None:
    source = Source()
    try:
        assert source.read(market.pairs) == []
        postgres_server.stop()
        for _ in range(2):
            with pytest.raises(LabError, match=r"PostgreSQL is not running|does not answer"):
                source.read(market.pairs)
        stack.up()
        assert source.read(market.pairs) == []
    finally:
        source.close()
        stack.up()


def test_a_source_says_that_a_query_was_cut_and_goes_on(running_lab: Lab) -> None:
    source = Source()
    try:
        with pytest.raises(LabError, match="cut a query that took longer than 5 s"):
            source.read(lambda connection: connection.execute(text("SELECT pg_sleep(30)")))
        assert source.read(market.pairs) == []
    finally:
        source.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("--prefix", "proxy"), "is no path"), (("--port", "80"), "Invalid value for '--port'")],
)
def test_what_the_page_cannot_do_is_one_sentence(idle_lab: Lab, arguments: tuple[str, ...], says: str) -> None:
    done = idle_lab.run("dashboard", *arguments)
    assert done.returncode != 0 and says in done.stderr and "Traceback" not in done.stderr
