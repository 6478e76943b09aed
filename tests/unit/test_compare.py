"""Comparisons that are blind to what does not matter and to nothing else."""

import math
from decimal import Decimal
from operator import itemgetter
from typing import Any

import numpy as np
import pytest

from lab_utils.teaching.compare import different_items, different_rows, same_number, same_value


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
