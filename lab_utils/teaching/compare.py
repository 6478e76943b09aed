"""Compare what an answer gave with what must hold, blind to what does not matter: order, number type, rounding.

Each function returns a sentence on the first difference, or an empty text: `assert not (seen := …), seen`. The sentence
shows what the answer gave, not what was wanted.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from lab_utils.teaching.trial import short


def same_number(actual: object, wanted: float | Decimal, *, within: float | Decimal = 0) -> bool:
    """Whether a number is `wanted`, give or take `within`; int, float, Decimal and numpy's alike, a bool or text never.

    A Decimal is compared exactly, digit by digit, where both are exact.
    """
    if isinstance(actual, bool | str | bytes) or actual is None:
        return False
    try:
        if isinstance(actual, Decimal | int) and isinstance(wanted, Decimal | int) and not isinstance(within, float):
            return abs(Decimal(actual) - Decimal(wanted)) <= Decimal(within)
        number, target = float(actual), float(wanted)  # type: ignore[arg-type]
    except (TypeError, ValueError, ArithmeticError):
        return False
    if math.isnan(number) or math.isnan(target):
        return math.isnan(number) and math.isnan(target)
    return abs(number - target) <= max(float(within), 1e-9 * abs(target))


def same_value(actual: object, wanted: object, *, within: float | Decimal = 0) -> bool:
    """Whether two values are equal; numbers by `same_number`, sequences and mappings part by part."""
    if isinstance(wanted, bool) or wanted is None:
        return actual is wanted
    if isinstance(wanted, int | float | Decimal):
        return same_number(actual, wanted, within=within)
    if isinstance(wanted, Mapping):
        return (
            isinstance(actual, Mapping)
            and set(actual) == set(wanted)
            and all(same_value(actual[key], wanted[key], within=within) for key in wanted)
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(actual, list | tuple)
            and len(actual) == len(wanted)
            and all(same_value(*pair, within=within) for pair in zip(actual, wanted, strict=True))
        )
    return bool(actual == wanted)


def different_items(actual: Iterable[Hashable], wanted: Iterable[Hashable], what: str) -> str:
    """How two collections differ, whatever their order; repeated items count."""
    seen, target = Counter(actual), Counter(wanted)
    extra, missing = seen - target, target - seen
    if extra:
        return f"{extra.total()} {what} too many, as {short(next(iter(extra)))}."
    if missing:
        return f"{missing.total()} {what} missing; there are {seen.total()}."
    return ""


def different_rows(
    actual: Sequence[Any],
    wanted: Sequence[Any],
    key: Callable[[Any], Any],
    what: str,
    *,
    within: float | Decimal = 0,
) -> str:
    """How two lists of rows differ when rows belong together by `key`, which must be exact: never a rounded number."""
    mine, theirs = _by_key(actual, key), _by_key(wanted, key)
    if isinstance(mine, str):
        return mine
    assert not isinstance(theirs, str), theirs
    if extra := [name for name in mine if name not in theirs]:
        return f"There is {what} for {short(extra[0])}, which should have none."
    if missing := [name for name in theirs if name not in mine]:
        return f"There is no {what} for {short(missing[0])}; you have {len(mine)}."
    for name, row in mine.items():
        if not same_value(row, theirs[name], within=within):
            return f"The {what} for {short(name)} is {short(row)}, which is not right."
    return ""


def _by_key(rows: Sequence[Any], key: Callable[[Any], Any]) -> dict[Any, Any] | str:
    found: dict[Any, Any] = {}
    for row in rows:
        name = key(row)
        if name in found:
            return f"There are two rows for {short(name)}."
        found[name] = row
    return found
