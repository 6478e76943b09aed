"""The views of the schema bi: what Power BI gets to see of the ticks and candles."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from lab_utils import db_utils
from lab_utils.dashboard import market
from lab_utils.ticks import ASSETS
from tests.labs import Lab

START = datetime(2025, 3, 10, 22, 0, tzinfo=UTC)
VIEWS = ("symbols", "crypto_prices", "stock_prices", "candles", "trends")
BTC = ("crypto", "BTC", "USD")


def add_ticks(asset_class: str, symbol: str, *times: datetime) -> None:
    """A tick at each time; they cost 1, 2, 3, …"""
    table = next(asset.table for asset in ASSETS if asset.name == asset_class)
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        first = cursor.fetchone()[0]
        cursor.executemany(
            f"INSERT INTO {table} (symbol, currency, price, size, event_time, ingest_time, source, version,"
            " kafka_partition, kafka_offset) VALUES (%s, 'USD', %s, 0.5, %s, now(), 'test', 1, 0, %s)",
            [(symbol, number, time, first + number) for number, time in enumerate(times, 1)],
        )


def add_candles(pair: tuple[str, str, str], closes: dict[int, object]) -> None:
    """A candle for each of the minutes behind START."""
    rows = [
        (*pair, START + timedelta(minutes=minute), *[Decimal(str(close))] * 4, Decimal("2.5"), 3)
        for minute, close in closes.items()
    ]
    with db_utils.cursor("lab_owner") as cursor:
        cursor.executemany("INSERT INTO candles_1m VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", rows)


def ask(query: str) -> list[tuple[Any, ...]]:
    """As Power BI asks: as lab_reader."""
    with db_utils.cursor("lab_reader") as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def utc(time: datetime) -> datetime:
    """As the views show it: without a zone."""
    return time.replace(tzinfo=None)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_empty_tables_is_empty(running_lab: Lab, view: str) -> None:
    assert ask(f"SELECT * FROM bi.{view}") == []


def test_times_are_utc_in_whole_seconds_and_numbers_are_floats(running_lab: Lab) -> None:
    """DirectQuery sends times to the second and without a zone."""
    kinds = ask(
        "SELECT DISTINCT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'bi'::regnamespace AND relkind = 'v' AND relname <> 'days'"
    )
    assert dict(kinds) == {
        **dict.fromkeys(("asset_class", "symbol", "currency", "pair", "trend"), "text"),
        **dict.fromkeys(("event_time_utc", "minute_utc"), "timestamp(0) without time zone"),
        **dict.fromkeys(("price", "size", "open", "high", "low", "close", "volume"), "double precision"),
        **dict.fromkeys(("average_5", "average_20"), "double precision"),
        "tick_count": "bigint",
    }


def test_a_time_is_cut_to_the_second_and_not_rounded(running_lab: Lab) -> None:
    add_ticks("crypto", "BTC", START + timedelta(seconds=59, milliseconds=999))
    assert ask("SELECT pair, symbol, currency, price, size, event_time_utc FROM bi.crypto_prices") == [
        ("BTC/USD", "BTC", "USD", 1.0, 0.5, utc(START) + timedelta(seconds=59))
    ]


@pytest.mark.parametrize("asset_class", ["crypto", "stock"])
def test_prices_go_back_an_hour_from_the_newest_tick_and_not_from_now(running_lab: Lab, asset_class: str) -> None:
    hour = timedelta(hours=1)
    times = [START, START + timedelta(seconds=1), START + timedelta(minutes=30), START + hour]
    add_ticks(asset_class, "X", *times)
    other = "stock" if asset_class == "crypto" else "crypto"
    add_ticks(other, "X", START + timedelta(days=3))  # each class by its own newest
    found = ask(f"SELECT event_time_utc FROM bi.{asset_class}_prices ORDER BY 1")
    assert [time for (time,) in found] == [utc(time) for time in times[1:]]


def test_the_symbols_are_the_pairs_of_the_dashboard(running_lab: Lab) -> None:
    for pair in (("stock", "AAPL", "USD"), BTC, ("crypto", "XRP", "ETH"), ("crypto", "BTC", "EUR")):
        add_candles(pair, {0: 1, 1: 2})
    with db_utils.engine().connect() as connection:
        known = [(pair.asset_class, pair.symbol, pair.currency, str(pair)) for pair in market.pairs(connection)]
    assert ask("SELECT asset_class, symbol, currency, pair FROM bi.symbols ORDER BY 1, 2, 3") == known
    assert len(known) == 4


def test_candles_go_back_a_day_from_the_newest_of_their_class(running_lab: Lab) -> None:
    add_candles(BTC, {0: 1, 1: 2, 1440: 3})
    add_candles(("crypto", "ETH", "USD"), {0: 4, 60: 5})  # by the newest of BTC, as both are coins
    add_candles(("stock", "AAPL", "USD"), {-5000: 6, -4000: 7})
    found = ask("SELECT asset_class, pair, minute_utc, close FROM bi.candles ORDER BY 1, 2, 3")
    assert found == [
        ("crypto", "BTC/USD", utc(START) + timedelta(minutes=1), 2),
        ("crypto", "BTC/USD", utc(START) + timedelta(days=1), 3),
        ("crypto", "ETH/USD", utc(START) + timedelta(hours=1), 5),
        ("stock", "AAPL/USD", utc(START) - timedelta(minutes=5000), 6),
        ("stock", "AAPL/USD", utc(START) - timedelta(minutes=4000), 7),
    ]


def test_a_candle_is_shown_as_it_is_stored(running_lab: Lab) -> None:
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute(
            "INSERT INTO candles_1m VALUES ('crypto', 'BTC', 'USD', %s, 1.5, 9.25, 0.5, 2, 7.125, 42)", (START,)
        )
    assert ask("SELECT * FROM bi.candles") == [
        ("crypto", "BTC/USD", "BTC", "USD", utc(START), 1.5, 9.25, 0.5, 2.0, 7.125, 42)
    ]


@pytest.mark.parametrize("days", [0.005, 1, 3])
def test_the_trends_are_those_of_the_lab_for_the_last_day(running_lab: Lab, days: float) -> None:
    """The first averages of the day know the candles before it, across gaps too."""
    minutes = [number for number in range(int(days * 1440)) if number % 7 and not 700 < number % 1440 < 900]
    for pair in (BTC, ("stock", "AAPL", "USD")):
        add_candles(pair, {minute: 100 + minute * 37 % 101 for minute in minutes})
    shown = ask("SELECT pair, minute_utc, close, average_5, average_20, trend FROM bi.trends ORDER BY 1, 2")
    newest = START + timedelta(minutes=minutes[-1])
    with db_utils.cursor("lab_reader") as cursor:
        cursor.execute(
            "SELECT symbol || '/' || currency, window_start AT TIME ZONE 'UTC', close::float8, average_5::float8,"
            " average_20::float8, trend FROM trends WHERE window_start > %s - interval '24 hours' ORDER BY 1, 2",
            (newest,),
        )
        assert shown == cursor.fetchall()
    assert len({row[-1] for row in shown}) > 1


def test_the_helper_of_the_views_is_hidden(running_lab: Lab) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask("SELECT * FROM bi.days")


def test_the_views_can_be_installed_again(running_lab: Lab) -> None:
    add_candles(BTC, {0: 1})
    db_utils.install_schema()
    assert len(ask("SELECT * FROM bi.candles")) == 1
