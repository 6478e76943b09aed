"""Build the notebooks from `course/`: lessons, exercises without answers, solutions.

Each step is a function on cells; what is built is a pure function of the sources, to the byte, so that `lab build
--check` finds every difference between the sources and the notebooks that are shipped.
"""

import ast
import hashlib
import io
import re
import tokenize
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.errors import LabError
from lab_utils.teaching.source import (
    UNIT_NUMBER,
    Cell,
    Region,
    SourceError,
    check_syntax,
    checked_ids,
    read_cells,
    regions,
)

if TYPE_CHECKING:  # nbformat takes seconds to import, and every notebook imports this module for its checks
    import nbformat

FOLDERS = ("notebooks", "exercises", "solutions")
MIN_LEAK_TOKENS = 8
"""Shorter statements, such as `return count`, stand in any code."""

_BANNERS = {
    "notebooks": "Built from `{source}`. Run it, change it, break it: `git checkout notebooks` brings it back, `lab reset {number}` removes what it made.",
    "exercises": "Built from `{source}`. Work on your own copy: `lab exercise start {number}` puts it into `work/`.",
    "solutions": "The solutions, for instructors and for afterwards. Built from `{source}`.",
}


def build_lesson(text: str, file: str) -> "nbformat.NotebookNode":
    """The notebook of a lesson.

    Raises:
        SourceError: the source is not usable; the text names file and line.
    """
    cells = read_cells(text, file)
    for cell in cells:
        if found := regions(cell, file):
            raise SourceError(file, cell.first_line + found[0].begin, "a lesson has no solutions")
        if "solution" in cell.tags:
            raise SourceError(file, cell.first_line, "a lesson has no solution cells")
    _check_code(cells, file, "the cell")
    return to_notebook(cells, "notebooks", file)


def build_exercises(text: str, file: str, known: Collection[str]) -> "nbformat.NotebookNode":
    """The students' notebook: stubs instead of answers, solution cells left out.

    Args:
        text: the source.
        file: its name, for messages.
        known: the ids that the unit's `checks.py` declares.

    Raises:
        SourceError: the source is not usable, or an answer would remain visible.
    """
    cells = read_cells(text, file)
    check_exercises(cells, file, known)
    student = [with_stubs(cell, file) for cell in cells if "solution" not in cell.tags]
    _check_code(student, file, "what students see of the cell")
    notebook = to_notebook(student, "exercises", file)
    for line, statement in leaks(cells, file, notebook):
        raise SourceError(file, line, f"students would see this part of the answer: {statement}")
    return notebook


def build_solutions(text: str, file: str, known: Collection[str]) -> "nbformat.NotebookNode":
    """The instructor's notebook: the answers, without stubs and markers.

    Raises:
        SourceError: the source is not usable.
    """
    cells = read_cells(text, file)
    check_exercises(cells, file, known)
    return to_notebook([with_answers(cell, file) for cell in cells], "solutions", file)


def check_exercises(cells: Sequence[Cell], file: str, known: Collection[str]) -> None:
    """See that each declared exercise has one answer and one check behind it, in order, and that nothing else has.

    Raises:
        SourceError: it does not hold.
    """
    answered: dict[str, int] = {}
    checked: list[str] = []
    previous: Cell | None = None
    for cell in cells:
        for exercise_id, line in _answered_here(cell, file, known):
            if exercise_id in answered:
                raise SourceError(file, line, f"a second solution of {exercise_id}")
            answered[exercise_id] = line
        ids = _checked_here(cell, file)
        for exercise_id in ids:
            if exercise_id not in answered:
                raise SourceError(file, cell.first_line, f"check({exercise_id!r}) without a solution before it")
            if exercise_id in checked:
                raise SourceError(file, cell.first_line, f"a second check of {exercise_id}")
        checked += ids
        # Were it anywhere else, one mistyped cell header would add it to a cell that students get.
        behind = previous is not None and ("solution" in previous.tags or bool(_checked_here(previous, file)))
        if "solution" in cell.tags and not behind:
            raise SourceError(file, cell.first_line, "a solution cell must come directly behind a check")
        previous = cell
    _check_complete(answered, checked, file, known)


def _answered_here(cell: Cell, file: str, known: Collection[str]) -> Iterator[tuple[str, int]]:
    for region in regions(cell, file):
        line = cell.first_line + region.begin
        if region.exercise_id not in known:
            raise SourceError(file, line, f"the exercise {region.exercise_id} is not declared in checks.py")
        yield region.exercise_id, line


def _checked_here(cell: Cell, file: str) -> list[str]:
    if cell.kind != "code":
        return []
    lines = with_answers(cell, file).lines
    code = check_syntax(lines, cell, file, "the cell with its answer")
    ids = checked_ids(code)
    if ids and (len(code.body) > 1 or any("#" in line for line in lines)):
        raise SourceError(file, cell.first_line, "a cell that checks holds one call of check and nothing else")
    return ids


def _check_complete(answered: Mapping[str, int], checked: Sequence[str], file: str, known: Collection[str]) -> None:
    for exercise_id, line in answered.items():
        if exercise_id not in checked:
            raise SourceError(file, line, f"nothing checks {exercise_id}: add check({exercise_id!r}, …) behind it")
    for exercise_id in known:
        if exercise_id not in answered:
            raise SourceError(file, 1, f"the declared exercise {exercise_id} has no solution here")
    if list(answered) != list(known) or list(checked) != list(known):
        raise SourceError(file, 1, f"the exercises stand in another order than in checks.py: {', '.join(answered)}")


def with_stubs(cell: Cell, file: str) -> Cell:
    """The cell as students get it."""
    return _replaced(cell, file, lambda region: region.stub)


def with_answers(cell: Cell, file: str) -> Cell:
    """The cell with its answers and without markers and stubs."""
    return _replaced(cell, file, lambda region: region.solution)


def _replaced(cell: Cell, file: str, shown: Any) -> Cell:
    lines: list[str] = []
    done = 0
    for region in regions(cell, file):
        lines += [*cell.lines[done : region.begin], *shown(region)]
        done = region.end
    return Cell(cell.kind, cell.tags, (*lines, *cell.lines[done:]), cell.first_line)


def all_regions(cells: Sequence[Cell], file: str) -> Iterator[tuple[Cell, Region]]:
    """Each answer with its cell."""
    for cell in cells:
        for region in regions(cell, file):
            yield cell, region


def _check_code(cells: Sequence[Cell], file: str, where: str) -> None:
    for cell in cells:
        if cell.kind == "code":
            check_syntax(cell.lines, cell, file, where)


def to_notebook(cells: Sequence[Cell], folder: str, file: str) -> "nbformat.NotebookNode":
    """A notebook without outputs. Its bytes depend on the cells alone: an id is made from the text of its cell."""
    import nbformat

    number = unit_number(file)
    banner = "> " + _BANNERS[folder].format(source=file, number=number)
    built = [_notebook_cell(Cell("markdown", (), (banner,), 0)), *(_notebook_cell(cell) for cell in cells)]
    seen: dict[str, int] = {}
    for cell in built:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        count = seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if count == 1 else f"{digest}-{count}"
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "lab": {"unit": number, "kind": folder},
    }
    notebook = nbformat.v4.new_notebook(cells=built, metadata=metadata)
    nbformat.validate(notebook)
    return notebook


def _notebook_cell(cell: Cell) -> Any:
    import nbformat

    source = "\n".join(cell.lines)
    if cell.kind == "markdown":
        return nbformat.v4.new_markdown_cell(source)
    tags = [*cell.tags, *(["nbval-check-output"] if "deterministic" in cell.tags else [])]
    return nbformat.v4.new_code_cell(source, metadata={"tags": tags} if tags else {})


def notebook_text(notebook: "nbformat.NotebookNode") -> str:
    """The notebook as it is written to its file."""
    import nbformat

    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def unit_number(file: str) -> str:
    """`01` of `course/unit01_kafka/lesson.py`."""
    found = re.search(rf"unit({UNIT_NUMBER})_", file)
    return found.group(1) if found else "00"


# --- Leaks -----------------------------------------------------------------------------------------------------


def leaks(cells: Sequence[Cell], file: str, student: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The statements of answers that stand anywhere in a students' notebook: (line in the source, statement).

    All text of the notebook is searched: sources, outputs, metadata. A statement that the exercise's own stub shows
    on purpose is none.
    """
    shown = _squeezed("\n".join(_texts(student)))
    for cell, region in all_regions(cells, file):
        stub = _squeezed("\n".join(region.stub))
        for line, statement in _statements(region, cell):
            needle = _squeezed(statement)
            if needle in shown and needle not in stub:
                yield line, statement
    for cell in cells:
        if "solution" in cell.tags:
            for number, line_text in enumerate(cell.lines, cell.first_line):
                if len(line_text.split()) >= MIN_LEAK_TOKENS and _squeezed(line_text) in shown:
                    yield number, line_text


def _statements(region: Region, cell: Cell) -> Iterator[tuple[int, str]]:
    indent = min((len(line) - len(line.lstrip()) for line in region.solution if line.strip()), default=0)
    tree = ast.parse("\n".join(line[indent:] for line in region.solution))
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring, which the stub usually repeats
        # Of a compound statement the head; its body is looked at by itself.
        text = ast.unparse(node).split("\n")[0] if hasattr(node, "body") else ast.unparse(node)
        if _token_count(text) >= MIN_LEAK_TOKENS and not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield cell.first_line + region.begin + node.lineno, text


def _token_count(code: str) -> int:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except tokenize.TokenError:
        return len(code.split())
    return sum(1 for token in tokens if token.string.strip())


def _texts(value: Any) -> Iterator[str]:
    """All strings in a notebook; code also as `ast.unparse` writes it, so that formatting hides nothing."""
    if isinstance(value, str):
        yield value
        try:
            yield ast.unparse(ast.parse(value))
        except (SyntaxError, ValueError, RecursionError):
            return
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield str(key)
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _squeezed(text: str) -> str:
    """Without what formatting may change: white space, comment signs, parentheses, the kind of quotes."""
    return re.sub(r"[\s#()]+", "", text).replace("'", '"')


# --- Files -----------------------------------------------------------------------------------------------------


def built_files(root: Path) -> dict[Path, str]:
    """What `lab build` writes below `root`: path → text.

    Raises:
        LabError: a source is not usable, with file and line.
    """
    from lab_utils.teaching.units import find_units

    files: dict[Path, str] = {}
    for unit in find_units(root / "course"):
        lesson, exercises = unit.folder / "lesson.py", unit.folder / "exercises.py"
        names = [path.relative_to(root).as_posix() for path in (lesson, exercises)]
        texts = [_read(path) for path in (lesson, exercises)]
        name = f"{unit.number}_{unit.topic}.ipynb"
        known = list(unit.exercises)
        files[root / "notebooks" / name] = notebook_text(build_lesson(texts[0], names[0]))
        files[root / "exercises" / name] = notebook_text(build_exercises(texts[1], names[1], known))
        files[root / "solutions" / name] = notebook_text(build_solutions(texts[1], names[1], known))
    return files


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError:
        raise LabError(f"{path} is missing.", "A unit has lesson.py, exercises.py, checks.py and answers/.") from None
    except UnicodeDecodeError:
        raise LabError(f"{path} is not UTF-8.", "Save it as UTF-8 text.") from None


def stale_files(root: Path) -> list[str]:
    """What is not as it would be built: the names, with what is wrong."""
    files = built_files(root)
    found = [
        f"{path.relative_to(root).as_posix()} {'differs from its source' if path.exists() else 'is missing'}"
        for path, text in files.items()
        if not path.exists() or path.read_bytes() != text.encode()
    ]
    return found + [f"{path.relative_to(root).as_posix()} has no source" for path in _strays(root, files)]


def _strays(root: Path, files: Mapping[Path, str]) -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((root / folder).glob("*.ipynb")) if path not in files]


def write_files(root: Path) -> list[str]:
    """Build all, and remove notebooks that have no source any more; the names of the files that changed."""
    files = built_files(root)  # all of it before the first is written
    changed = []
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())
            changed.append(path.relative_to(root).as_posix())
    for path in _strays(root, files):
        path.unlink()
        changed.append(f"{path.relative_to(root).as_posix()} (removed)")
    return changed
