"""Read a course source: py:percent text into cells, and the regions that hold answers and stubs.

The marker words are nbgrader's, with the exercise's id. Whatever looks like a marker must be one: a typing mistake in
a marker must never be the reason why an answer reaches the students.

    ### BEGIN SOLUTION 01.2
    def partition_count(admin, topic):
        return len(admin.describe_topics([topic])[0]["partitions"])
    ### END SOLUTION
    ### BEGIN STUB
    # def partition_count(admin, topic):
    #     return ...
    ### END STUB
"""

import ast
import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from lab_utils.errors import LabError

UNIT_NUMBER = r"[0-9]{2}[a-z]?"
"""A letter where a unit has several notebooks."""

EXERCISE_ID = rf"{UNIT_NUMBER}\.[0-9]{{1,2}}"
KNOWN_TAGS = frozenset({"setup", "solution", "deterministic"})
"""`setup`: run before an answer is tried; `solution`: only in the solutions; `deterministic`: its output is compared."""
DEFAULT_STUB = ["...  # your answer"]

_CELL = re.compile(r"# %%(?P<markdown> \[markdown\])?(?: tags=(?P<tags>\[.*\]))?")
_LIKE_CELL = re.compile(r"\s*#[\s#]*%|.*#.*(?:\[markdown\]|\btags ?=)")
_MARKER = re.compile(rf"(?P<indent> *)### (?:(?P<edge>BEGIN|END) (?P<what>SOLUTION|STUB))(?: (?P<id>{EXERCISE_ID}))?")
_LIKE_MARKER = re.compile(
    r"\s*##|.*#.*(?:begin|end)\W*(?:sol|stub)|.*#.*\b(?:begin|end)\b.*\b(?:sol|stub)", re.IGNORECASE
)


class SourceError(LabError):
    """A course source that cannot be built; the text begins with `file:line`."""

    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(f"{file}:{line}: {what}", "Correct that line, then run: lab build")
        self.file = file
        self.line = line


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of a source."""

    kind: Literal["code", "markdown"]
    tags: tuple[str, ...]
    lines: tuple[str, ...]
    first_line: int
    """The number of the first of `lines` in the file."""


@dataclasses.dataclass(frozen=True)
class Region:
    """An answer in a cell, and what students are shown in its place."""

    exercise_id: str
    begin: int
    """Index of the BEGIN SOLUTION line in the cell's lines."""
    end: int
    """Index after the last line that belongs to the region, the stub included."""
    solution: tuple[str, ...]
    stub: tuple[str, ...]
    """As code, with the cell's own indentation."""


@dataclasses.dataclass(frozen=True)
class _Marker:
    index: int
    indent: str
    edge: str
    what: str
    exercise_id: str | None


def read_cells(text: str, file: str) -> list[Cell]:
    """The cells of a py:percent source.

    Before the first cell only comments and blank lines may stand; they are for the author and are dropped.

    Raises:
        SourceError: a line that looks like the start of a cell is none, or a text cell holds code.
    """
    starts: list[tuple[int, re.Match[str]]] = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if "\r" in line or "\t" in line:
            raise SourceError(file, number, "a tab or carriage return; sources use spaces and LF")
        if _LIKE_CELL.match(line):
            header = _CELL.fullmatch(line)
            if header is None:
                raise SourceError(file, number, f"{line.strip()!r} looks like the start of a cell and is none")
            starts.append((number, header))
        elif not starts and line.strip() and not line.startswith("#"):
            raise SourceError(file, number, "code before the first cell (# %%)")
    if not starts:
        raise SourceError(file, 1, "no cell (# %%)")
    ends = [number for number, _ in starts[1:]] + [len(lines) + 1]
    return [
        _cell(header, lines[number : end - 1], number + 1, file)
        for (number, header), end in zip(starts, ends, strict=True)
    ]


def _cell(header: re.Match[str], lines: list[str], first_line: int, file: str) -> Cell:
    tags = _tags(header["tags"], first_line - 1, file)
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    while lines and not lines[0].strip():
        lines, first_line = lines[1:], first_line + 1
    if header["markdown"]:
        return Cell("markdown", tags, tuple(_markdown_lines(lines, first_line, file)), first_line)
    return Cell("code", tags, tuple(lines), first_line)


def _tags(text: str | None, line: int, file: str) -> tuple[str, ...]:
    if text is None:
        return ()
    try:
        tags = json.loads(text)
    except ValueError:
        raise SourceError(file, line, f'the tags {text} are no list such as ["setup"]') from None
    unknown = [tag for tag in tags if tag not in KNOWN_TAGS]
    if unknown:
        raise SourceError(file, line, f"unknown tag {unknown[0]!r}; there is: {', '.join(sorted(KNOWN_TAGS))}")
    return tuple(tags)


def _markdown_lines(lines: Sequence[str], first_line: int, file: str) -> Iterator[str]:
    for number, line in enumerate(lines, first_line):
        if line != "#" and line.strip() and not line.startswith("# "):
            raise SourceError(file, number, "a text cell holds a line that does not begin with '# '")
        text = line[2:]
        if re.search(r"(?i)(?:begin|end)\W*(?:solution|stub)", text):
            raise SourceError(file, number, "a marker in a text cell")
        yield text


def regions(cell: Cell, file: str) -> list[Region]:
    """The answers of a cell, from top to bottom.

    Raises:
        SourceError: a marker is misspelt, missing, nested or out of place, or a stub has a line that is no comment.
    """
    found: list[Region] = []
    markers = _markers(cell, file)
    while markers:
        begin, end = _pair(markers, "SOLUTION", cell, file)
        if begin.exercise_id is None:
            raise SourceError(file, cell.first_line + begin.index, "BEGIN SOLUTION without an exercise id, as in 01.2")
        solution = cell.lines[begin.index + 1 : end.index]
        while solution and not solution[-1].strip():
            solution = solution[:-1]
        if not any(line.strip() and not line.strip().startswith("#") for line in solution):
            raise SourceError(file, cell.first_line + begin.index, "the solution is empty")
        stub, last = [begin.indent + line for line in DEFAULT_STUB], end.index
        if markers and markers[0].what == "STUB":
            between = cell.lines[end.index + 1 : markers[0].index]
            if any(line.strip() for line in between):
                raise SourceError(file, cell.first_line + end.index + 1, "code between a solution and its stub")
            stub_begin, stub_end = _pair(markers, "STUB", cell, file)
            stub = list(_uncommented(cell, stub_begin, stub_end, file))
            last = stub_end.index
        found.append(Region(begin.exercise_id, begin.index, last + 1, tuple(solution), tuple(stub)))
    return found


def _markers(cell: Cell, file: str) -> list[_Marker]:
    markers = []
    for index, line in enumerate(cell.lines):
        if cell.kind == "code" and _LIKE_MARKER.match(line):
            match = _MARKER.fullmatch(line)
            if match is None or (match["id"] and (match["edge"], match["what"]) != ("BEGIN", "SOLUTION")):
                raise SourceError(file, cell.first_line + index, f"{line.strip()!r} looks like a marker and is none")
            markers.append(_Marker(index, match["indent"], match["edge"], match["what"], match["id"]))
    return markers


def _pair(markers: list[_Marker], what: str, cell: Cell, file: str) -> tuple[_Marker, _Marker]:
    """Take a BEGIN and its END from the front of `markers`."""
    begin = markers.pop(0)
    line = cell.first_line + begin.index
    if begin.edge == "END":
        raise SourceError(file, line, f"END {begin.what} without a BEGIN before it")
    if begin.what != what:
        raise SourceError(file, line, f"BEGIN {begin.what} where only a {what.lower()} may begin")
    if not markers:
        raise SourceError(file, line, f"BEGIN {what} without an END in the same cell")
    end = markers.pop(0)
    if end.edge == "BEGIN":
        raise SourceError(file, cell.first_line + end.index, f"BEGIN {end.what} inside a {what.lower()}")
    if end.what != what:
        raise SourceError(file, cell.first_line + end.index, f"END {end.what} where END {what} must stand")
    if end.indent != begin.indent:
        raise SourceError(file, cell.first_line + end.index, f"END {what} is indented differently from its BEGIN")
    return begin, end


def _uncommented(cell: Cell, begin: _Marker, end: _Marker, file: str) -> Iterator[str]:
    lines = cell.lines[begin.index + 1 : end.index]
    if not any(line.strip() for line in lines):
        raise SourceError(file, cell.first_line + begin.index, "the stub is empty")
    for number, line in enumerate(lines, cell.first_line + begin.index + 1):
        if not line.strip():
            yield ""
            continue
        comment = re.fullmatch(rf"{begin.indent}#(?: (?P<code>.*))?", line)
        if comment is None:
            raise SourceError(file, number, "a line of a stub that is no comment")
        yield (begin.indent + (comment["code"] or "")).rstrip()


def check_syntax(lines: Sequence[str], cell: Cell, file: str, where: str) -> ast.Module:
    """The cell's code as a syntax tree.

    Raises:
        SourceError: it is no valid Python; magics (`%`, `!`) are none, so that every source can be linted and run.
    """
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError as error:
        line = cell.first_line + min((error.lineno or 1) - 1, max(len(cell.lines) - 1, 0))
        raise SourceError(file, line, f"{where} is no valid Python: {error.msg}") from None


def checked_ids(code: ast.AST) -> list[str]:
    """The ids that a cell passes to `check`, in order."""
    return [
        str(node.args[0].value)
        for node in ast.walk(code)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "check"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
