"""Small wrong versions of a SQL text, for the mutants of answers that hold one. Told by patterns, not by a parser: a
change that is no SQL any more is a mutant that everybody catches.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator

_Replace = str | Callable[[re.Match[str]], str]

_FUNCTIONS = {
    "max": "min",
    "min": "max",
    "lag": "lead",
    "lead": "lag",
    "sum": "avg",
    "avg": "sum",
    "first_value": "last_value",
    "last_value": "first_value",
    "rank": "dense_rank",
    "row_number": "rank",
}

_CHANGES: tuple[tuple[str, _Replace], ...] = (
    (r"(?<![<>])>=", ">"),
    (r"<=", "<"),
    (r"(?<![<>=])<(?![<>=])", "<="),
    (r"(?<![<>=-])>(?![<>=])", ">="),
    (r"<>", "="),
    (r"(?<![<>!:=])=(?![=>])", "<>"),
    (r"\s\+\s", " - "),
    (r"\s-\s", " + "),
    (r"\s\*\s", " / "),
    (r"\s/\s", " * "),
    (r"\bAND\b", "OR"),
    (r"\bOR\b(?! REPLACE\b)", "AND"),
    (r"\sDESC\b", ""),
    (r"\bDISTINCT\s(?!ON\b)", ""),
    (r"\bUNION ALL\b", "UNION"),
    (r"\bLEFT JOIN\b", "JOIN"),
    (r"(?<!LEFT )(?<!CROSS )\bJOIN\b", "LEFT JOIN"),
    (r"\bPARTITION BY\b.*?(?=\bORDER BY\b|\bROWS\b|\))", ""),
    (r"\s*\bORDER BY\b[^()]*(?=\))", ""),
    (r"\bROWS\b(?=[^()]*\))", "RANGE"),
    (r"\s*\bROWS\b[^()]*(?=\))", ""),
    (r"\s*\bFILTER \(WHERE [^()]*\)", ""),
    (r"\bcoalesce\(([^(),]+|[^(),]*\([^()]*\)[^(),]*), *[^(),]+\)", lambda found: found[1]),
    (r"\bnullif\(([^(),]+|[^(),]*\([^()]*\)[^(),]*), *[^(),]+\)", lambda found: found[1]),
    (rf"\b({'|'.join(_FUNCTIONS)})(?=\()", lambda found: _FUNCTIONS[found[1]]),
    (r"(?<![\w:.'-])[0-9]+(?![\w.:'-])", lambda found: str(int(found[0]) + 1)),
    (r"(?m)^\s*(?:AND|,)\s[^\n]*$", ""),
    (r"(?m)^\s*WHERE\s[^\n]*$(?!\s*AND)", ""),
)


@dataclasses.dataclass(frozen=True)
class Change:
    """One change of a SQL text."""

    description: str
    """`before → after`."""
    text: str


def changes(text: str) -> Iterator[Change]:
    """All changes of a text; none when it does not look like a query, or like a view, which is a query with a name."""
    if not re.match(r"\s*(SELECT|WITH|CREATE( OR REPLACE)? VIEW)\b", text):
        return
    for pattern, replacement in _CHANGES:
        for found in re.finditer(pattern, text, flags=re.DOTALL):
            new = replacement if isinstance(replacement, str) else replacement(found)
            after = f"{text[: found.start()]}{new}{text[found.end() :]}"
            yield Change(f"{_one_line(found[0])} → {_one_line(new) or 'removed'}", after)


def _one_line(text: str) -> str:
    return " ".join(text.split())
