"""Compare what an answer gave with what must hold, blind to what does not matter: order, number type, rounding.

Each function returns a sentence on the first difference, or an empty text: `assert not (seen := …), seen`. The sentence
shows what the answer gave, not what was wanted.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from lab_utils.teaching.trial import short

K = TypeVar("K", bound=Hashable)
Row = TypeVar("Row")


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


def place_in(row: Mapping[str, Any], key: Sequence[str]) -> tuple[Any, ...]:
    """The values of the columns by which a row is told from others."""
    return tuple(row[column] for column in key)


def rows_by_key(
    rows: Iterable[Row], wanted: Iterable[K], key: Callable[[Row], K], given: str, name: Callable[[K], str]
) -> dict[K, Row]:
    """Rows by their key: those that are wanted, each once.

    Args:
        rows: what the answer gave.
        wanted: the keys that must be there, in the order in which a missing one is looked for.
        key: of a row.
        given: the call, for the message.
        name: a key in words.

    Raises:
        AssertionError: a row is there twice, does not belong there, or is missing; the text is for the student.
    """
    expected = dict.fromkeys(wanted)
    found: dict[K, Row] = {}
    for row in rows:
        place = key(row)
        assert place not in found, f"{given} has two rows for {name(place)}."
        assert place in expected, f"{given} has a row for {name(place)}, which does not belong there."
        found[place] = row
    missing = [place for place in expected if place not in found]
    count = f"{len(found)} row{'s' * (len(found) != 1)}"
    assert not missing, f"{given} has {count}, and none for {name(missing[0])}."
    return found


def rows_of(result: object, columns: Sequence[str], given: str) -> list[dict[str, Any]]:
    """The rows that an answer read from a database, whatever it returned them in: a DataFrame, or a list of rows.

    The columns may come in any order and with others beside them. Missing values (NaN, NaT) become None, times UTC.

    Args:
        result: what the answer returned.
        columns: those that the task asks for.
        given: the call, for the message.

    Raises:
        AssertionError: these are no rows, or not with these columns; the text is for the student.
    """
    table = _table(result)
    assert table is not None, (
        f"{given} returned {short(result)}, which is neither a DataFrame nor a list of rows with named columns."
        f"{' Is there a `return`?' if result is None else ''}"
    )
    found, rows = table
    for column in columns if rows or found else ():
        assert column in found, f"{given} returned the columns {', '.join(map(str, found))}: there is no `{column}`."
    return [{column: _plain_value(row[column], column, given) for column in columns} for row in rows]


def _table(result: Any) -> tuple[list[Any], list[dict[Any, Any]]] | None:
    """Names of columns, and rows; a list without rows has no names."""
    if hasattr(result, "to_dict") and hasattr(result, "columns"):
        named = [name for name in result.index.names if name is not None and name not in result.columns]
        frame = result.reset_index(level=named) if named else result
        names = list(frame.columns)
        return names, [dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False, name=None)]
    if hasattr(result, "keys") and hasattr(result, "all"):  # a result of SQLAlchemy that has not been read yet
        names = list(result.keys())
        try:
            return names, [dict(getattr(row, "_mapping", row)) for row in result.all()]
        except Exception:  # its connection is closed
            return None
    if not isinstance(result, list | tuple):
        return None
    rows: list[Any] = [getattr(row, "_mapping", row) for row in result]
    if not all(isinstance(row, Mapping) for row in rows):
        return None
    return list(rows[0]) if rows else [], [dict(row) for row in rows]


def _plain_value(value: Any, column: str, given: str) -> Any:
    if value is None or str(value) in {"NaN", "nan", "NaT", "<NA>"}:
        return None
    if isinstance(value, datetime):
        assert value.tzinfo is not None, f"{given}: the `{column}` {value} has no time zone."
        return value.astimezone(UTC)
    return value.item() if hasattr(value, "item") else value
