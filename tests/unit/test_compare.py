"""Comparisons that are blind to what does not matter and to nothing else."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from lab_utils.teaching.compare import different_items, different_rows, rows_by_key, rows_of, same_number, same_value


@pytest.mark.parametrize(
    ("actual", "wanted"),
    [
        (1, 1),
        (1.0, 1),
        (Decimal("1.00"), 1),
        (np.int64(5), 5),
        (np.float64(0.1) + 0.2, 0.3),
        (0.1 + 0.2, Decimal("0.3")),
        (math.nan, math.nan),
    ],
)
def test_equal_numbers_of_any_type_are_the_same(actual: Any, wanted: Any) -> None:
    assert same_number(actual, wanted)


@pytest.mark.parametrize(
    ("actual", "wanted"),
    [
        (True, 1),
        ("1", 1),
        (None, 0),
        ([1], 1),
        (1.001, 1),
        (Decimal("0.1000000000000000001"), Decimal("0.1")),
        (math.nan, 1),
        (math.inf, 1),
    ],
)
def test_other_things_are_not(actual: Any, wanted: Any) -> None:
    assert not same_number(actual, wanted)


def test_a_tolerance_is_kept_on_both_sides() -> None:
    assert same_number(1.04, 1, within=0.05)
    assert not same_number(1.06, 1, within=0.05)
    assert same_number(Decimal("1.05"), Decimal(1), within=Decimal("0.05"))


def test_values_are_compared_part_by_part() -> None:
    assert same_value({"a": [1, Decimal("2.0")]}, {"a": (1.0, 2)})
    assert not same_value({"a": [1]}, {"a": [1, 2]})
    assert not same_value({"a": 1, "b": 2}, {"a": 1})
    assert not same_value(0, False)
    assert not same_value(0, None)


def test_order_does_not_matter_but_number_does() -> None:
    assert different_items([3, 1, 2], [1, 2, 3], "ticks") == ""
    assert different_items([1, 1, 2], [1, 2], "ticks") == "1 ticks too many, as 1."
    assert different_items([1], [1, 2], "ticks") == "1 ticks missing; there are 1."


def test_rows_belong_together_by_their_key_not_by_their_numbers() -> None:
    wanted = [("BTC", 1.0), ("ETH", 1.0000000001)]
    assert different_rows([("ETH", 1.0), ("BTC", 1.0)], wanted, itemgetter(0), "candle", within=1e-6) == ""
    assert "for 'ETH' is ('ETH', 2.0)" in different_rows([("ETH", 2.0), wanted[0]], wanted, itemgetter(0), "candle")
    assert different_rows([wanted[0]], wanted, itemgetter(0), "candle") == "There is no candle for 'ETH'; you have 1."
    assert "which should have none" in different_rows([*wanted, ("SOL", 1.0)], wanted, itemgetter(0), "candle")
    assert "two rows for 'BTC'" in different_rows([wanted[0], wanted[0]], wanted, itemgetter(0), "candle")


COLUMNS = ("symbol", "price", "at")
MOMENT = datetime(2026, 3, 10, 12, tzinfo=UTC)
FRAME = pd.DataFrame(
    {"more": [1, 2], "at": [pd.Timestamp(MOMENT), pd.NaT], "price": [1.5, None], "symbol": ["BTC", "ETH"]}
)
ROWS = [{"symbol": "BTC", "price": 1.5, "at": MOMENT}, {"symbol": "ETH", "price": None, "at": None}]


@pytest.mark.parametrize(
    "result",
    [
        FRAME,
        FRAME.set_index("symbol"),
        FRAME.set_index(["symbol", "at"]),
        FRAME.to_dict("records"),
        FRAME[FRAME["more"] > 0],
    ],
    ids=["frame", "index", "two levels", "dictionaries", "selection"],
)
def test_rows_are_read_from_whatever_holds_them(result: object) -> None:
    assert rows_of(result, COLUMNS, "f()") == ROWS


@pytest.mark.parametrize("read", ["all", "mappings", "nothing"])
def test_rows_of_sqlalchemy_are_rows_read_or_not(read: str) -> None:
    with create_engine("sqlite://").connect() as connection:
        result = connection.execute(text("SELECT 'BTC' AS symbol, 1.5 AS price"))
        answer = result.all() if read == "all" else result.mappings() if read == "mappings" else result
        assert rows_of(answer, ("price", "symbol"), "f()") == [{"price": 1.5, "symbol": "BTC"}]


@pytest.mark.parametrize("result", [[], FRAME[:0], FRAME[:0].set_index("symbol")], ids=["list", "frame", "index"])
def test_nothing_is_no_rows(result: object) -> None:
    assert rows_of(result, COLUMNS, "f()") == []


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (None, r"f\(\) returned None.* Is there a `return`\?"),
        ("SELECT 1", "neither a DataFrame nor a list of rows"),
        ([("BTC", 1.5)], "neither a DataFrame nor a list of rows"),
        (FRAME["price"], "neither a DataFrame nor a list of rows"),
        (FRAME[["at", "price"]], "returned the columns at, price: there is no `symbol`"),
        (FRAME[:0][["at", "price"]], "there is no `symbol`"),
        ([{"symbol": "BTC", "price": 1, "at": datetime(2026, 3, 10)}], "`at` 2026-03-10 00:00:00 has no time zone"),
    ],
)
def test_what_is_no_table_with_the_columns_is_said(result: object, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        rows_of(result, COLUMNS, "f()")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"n": 1}, {"n": 1}], "f() has two rows for number 1."),
        ([{"n": 3}], "f() has a row for number 3, which does not belong there."),
        ([{"n": 2}], "f() has 1 row, and none for number 1."),
        ([], "f() has 0 rows, and none for number 1."),
    ],
)
def test_rows_that_do_not_fit_their_keys_are_named(rows: list[dict[str, int]], says: str) -> None:
    with pytest.raises(AssertionError) as caught:
        rows_by_key(rows, [1, 2], lambda row: row["n"], "f()", lambda place: f"number {place}")
    assert str(caught.value).splitlines()[0] == says


def test_rows_that_fit_come_by_their_key_in_the_order_of_the_answer() -> None:
    rows = [{"n": 2}, {"n": 1}]
    found = rows_by_key(rows, [1, 2], lambda row: row["n"], "f()", str)
    assert list(found.items()) == [(2, {"n": 2}), (1, {"n": 1})]
