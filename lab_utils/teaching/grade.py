"""Mark a folder of students' notebooks: `lab grade FOLDER`.

Each notebook runs in a process group of its own, against servers of its own (its own state folder, hence its own
topics, schema and progress), with a time limit. Whatever it does costs only its own marks.
"""

import contextlib
import csv
import dataclasses
import html
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from lab_utils.errors import LabError
from lab_utils.servers.elsewhere import NONE_ELSEWHERE
from lab_utils.settings import ROOT, settings
from lab_utils.teaching.cards import LOOKS
from lab_utils.teaching.outcomes import Outcome
from lab_utils.teaching.units import Exercise, Unit, course_units

NOTEBOOK_SECONDS = 600.0
NOT_REACHED = "NOT_REACHED"
"""The notebook ended, or was ended, before its check ran, or the cell was deleted."""


UNREADABLE = "UNREADABLE"
ROUND_A_CHECK_SECONDS = 15
"""What a cell may take beside its check: one that is cut off in it would say that the student stopped the check."""


@dataclasses.dataclass(frozen=True)
class Mark:
    """One exercise of one student."""

    student: str
    unit: str
    exercise: str
    outcome: str
    stage: str = ""
    message: str = ""
    hints: int = 0
    attempts: int = 0
    revealed: str = ""
    note: str = ""
    """What became of the whole notebook, where it did not run to its end."""


def notebooks_in(folder: Path) -> list[Path]:
    """The notebooks to mark.

    Raises:
        LabError: there are none.
    """
    found = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    if not found:
        raise LabError(f"There is no notebook in {folder}.", "Name the folder with the students' notebooks.")
    return found


def unit_of(path: Path, units: Sequence[Unit]) -> Unit | None:
    """The unit of a notebook: what the builder noted in it, else its file name."""
    number = ""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        number = json.loads(path.read_text(encoding="utf-8"))["metadata"]["lab"]["unit"]
    for unit in units:
        if unit.number == number or (not number and unit.name in path.stem):
            return unit
    return None


def grade(
    folder: Path, *, seconds: float = NOTEBOOK_SECONDS, cell_seconds: int = 60, say: Callable[[str], None]
) -> Iterator[list[Mark]]:
    """The marks of all notebooks, one after the other: two at once would disturb each other's time limits.

    Raises:
        LabError: there are none.
    """
    units = course_units()
    for path in notebooks_in(folder):
        student = path.relative_to(folder).with_suffix("").as_posix()
        unit = unit_of(path, units)
        if unit is None:
            yield [Mark(student, "", "", UNREADABLE, note="no notebook of this course")]
            continue
        say(student)
        try:
            yield grade_one(path, student, unit, seconds, cell_seconds)
        except Exception as error:  # a link that leads nowhere, a result that somebody has forged
            yield [Mark(student, unit.name, "", UNREADABLE, note=f"not marked: {type(error).__name__}: {error}")]


def grade_one(path: Path, student: str, unit: Unit, seconds: float, cell_seconds: int) -> list[Mark]:
    """Mark one notebook."""
    with tempfile.TemporaryDirectory(prefix="lab-grade-", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary).resolve()  # as processes name it that work there
        longest = max(exercise.seconds for exercise in unit.exercises.values()) + ROUND_A_CHECK_SECONDS
        result, state = home / "result.json", home / "state"
        desk = home / "desk"
        desk.mkdir()
        shutil.copyfile(path, desk / "notebook.ipynb")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LAB_")},
            "LAB_STATE_DIR": str(state),
            "LAB_JARS_DIR": str(settings().jars_dir),
            "LAB_COURSE_DIR": str(settings().course_dir),
            "LAB_WORK_DIR": str(desk),
            "LAB_GRADE_CELL_SECONDS": str(math.ceil(max(cell_seconds, longest))),
            **NONE_ELSEWHERE,
            "PYTHONPATH": str(ROOT),
        }
        needs_servers = any(exercise.needs for exercise in unit.exercises.values())
        try:
            note = _lab(environment, "up") if needs_servers else ""
            note = note or _run(desk / "notebook.ipynb", result, environment, seconds)
        finally:
            if needs_servers:
                _lab(environment, "down")
            _end_all(state, home)
        return _marks(result, student, unit, note)


def _lab(environment: dict[str, str], *arguments: str) -> str:
    """Run a `lab` command; what it says when it fails."""
    command = [sys.executable, "-m", "lab_utils.cli", *arguments]
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired:
        return f"lab {arguments[0]} did not end"
    return " ".join(done.stderr.split()) if done.returncode else ""


def _run(notebook: Path, result: Path, environment: dict[str, str], seconds: float) -> str:
    """Run a notebook in a process group of its own; what went wrong."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lab_utils.teaching.run_cells", str(notebook), str(result)],
        env=environment,
        cwd=notebook.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    family = [psutil.Process(process.pid)]
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(psutil.Error):
            family = [family[0], *family[0].children(recursive=True)]
        time.sleep(0.1)
    if process.poll() is not None:
        _kill(family[1:])
        return "" if process.returncode == 0 else "the notebook could not be run"
    _kill(family)
    process.wait()
    return f"stopped after {seconds:g} s"


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _end_all(state: Path, home: Path) -> None:
    """Kill what a notebook left behind: whatever names its state folder, or works in its folder."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            names = any(str(state) in part for part in process.cmdline())
            if names or Path(process.cwd()).is_relative_to(home):
                process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)


def _marks(result: Path, student: str, unit: Unit, note: str) -> list[Mark]:
    stored: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        stored = json.loads(result.read_text(encoding="utf-8"))
    ended = stored.get("ended", "it did not start")
    if not note and ended != "to the end":
        note = ended
    if not note and stored.get("stopped"):
        note = f"stopped at its time limit: cell {', '.join(map(str, stored['stopped']))}"
    cards = {card.get("exercise"): card for card in stored.get("cards", [])}
    saved = {card.get("exercise"): card for card in stored.get("saved", [])}
    return [
        _mark(exercise, student, unit, cards.get(exercise.id), saved.get(exercise.id, {}), note)
        for exercise in unit.exercises.values()
    ]


def _mark(
    exercise: Exercise, student: str, unit: Unit, card: dict[str, Any] | None, saved: dict[str, Any], note: str
) -> Mark:
    hints, attempts, revealed = (
        max((shown.get(name, empty) for shown in (card or {}, saved)), key=str)
        for name, empty in (("hints", 0), ("attempts", 0), ("revealed", ""))
    )
    if card is None:
        return Mark(
            student,
            unit.name,
            exercise.id,
            NOT_REACHED,
            hints=int(hints),
            attempts=int(attempts),
            revealed=str(revealed),
            note=note,
        )
    return Mark(
        student,
        unit.name,
        exercise.id,
        str(card["outcome"]),
        str(card["stage"]),
        str(card["message"]),
        int(hints),
        int(attempts),
        str(revealed),
        note,
    )


# --- What is written --------------------------------------------------------------------------------------------


def write_csv(marks: Sequence[Mark], path: Path) -> None:
    """One line an exercise of a student. A text that a spreadsheet would take for a formula gets a quote before it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in dataclasses.fields(Mark)])
        for mark in marks:
            writer.writerow([_no_formula(value) for value in dataclasses.astuple(mark)])


def _no_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"} else value


def stuck(marks: Sequence[Mark]) -> list[tuple[str, int, int, str]]:
    """Where the class is stuck: (exercise, passed, of how many, most frequent stage of those that did not)."""
    rows = []
    for exercise in sorted({mark.exercise for mark in marks if mark.exercise}):
        own = [mark for mark in marks if mark.exercise == exercise]
        passed = sum(mark.outcome == Outcome.PASS for mark in own)
        stages = Counter(mark.stage or mark.outcome for mark in own if mark.outcome != Outcome.PASS)
        rows.append((exercise, passed, len(own), stages.most_common(1)[0][0] if stages else ""))
    return sorted(rows, key=lambda row: (row[1] / row[2], row[0]))


_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; } th, td { padding: 4px 10px; border: 1px solid #8886; text-align: left; }
td.PASS { background: #2e9e5b33; } td.FAIL, td.ERROR { background: #d9534f33; }
td.ENVIRONMENT { background: #3b82c433; } td.NOT_REACHED, td.UNREADABLE { background: #c98a1b33; }
small { opacity: 0.8; }
"""


def write_html(marks: Sequence[Mark], path: Path) -> None:
    """One page: who has passed what, and where the class is stuck. Texts of students are escaped."""
    exercises = sorted({mark.exercise for mark in marks if mark.exercise})
    students = sorted({mark.student for mark in marks})
    by_place = {(mark.student, mark.exercise): mark for mark in marks}
    head = "".join(f'<th scope="col">{html.escape(exercise)}</th>' for exercise in exercises)
    rows = [_student_row(student, exercises, by_place, marks) for student in students]
    difficult = "".join(
        f"<tr><th scope='row'>{html.escape(exercise)}</th><td>{passed} of {count}</td><td>{html.escape(stage)}</td></tr>"
        for exercise, passed, count, stage in stuck(marks)
    )
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Marks</title><style>{_STYLE}</style>'
        f"<h1>Marks</h1><table><tr><th scope='col'>notebook</th>{head}<th scope='col'>passed</th><th>note</th></tr>"
        f"{''.join(rows)}</table><h2>Where the class is stuck</h2><table><tr><th>exercise</th><th>passed</th>"
        f"<th>where most others stopped</th></tr>{difficult}</table></html>\n",
        encoding="utf-8",
    )


def _student_row(
    student: str, exercises: Sequence[str], by_place: dict[tuple[str, str], Mark], marks: Sequence[Mark]
) -> str:
    own = [mark for mark in marks if mark.student == student]
    passed = sum(mark.outcome == Outcome.PASS for mark in own)
    note = next((mark.note for mark in own if mark.note), "")
    cells = "".join(_cell(by_place.get((student, exercise))) for exercise in exercises)
    return (
        f"<tr><th scope='row'>{html.escape(student)}</th>{cells}"
        f"<td>{passed} of {len(own)}</td><td>{html.escape(note)}</td></tr>"
    )


def _cell(mark: Mark | None) -> str:
    if mark is None:
        return "<td></td>"
    look = LOOKS.get(Outcome(mark.outcome)) if mark.outcome in set(Outcome) else None
    help_used = [f"{mark.hints} hints"] * bool(mark.hints) + [f"revealed: {mark.revealed}"] * bool(mark.revealed)
    details = html.escape(f"{mark.stage}: {mark.message}" if mark.stage else mark.message)
    small = f"<br><small>{html.escape(', '.join(help_used))}</small>" if help_used else ""
    return f'<td class="{html.escape(mark.outcome)}" title="{details}">{look.mark if look else "-"} {html.escape(mark.outcome)}{small}</td>'
