"""Marking a class whose notebooks hang, crash, flood and delete, on a miniature course without servers."""

import csv
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from lab_utils.teaching import grade
from lab_utils.teaching.builder import build_exercises
from lab_utils.teaching.units import course_units

CHECKS = """
from lab_utils.teaching.units import exercise

TITLE = "Demo"
MINUTES = 5


@exercise("09.1", "Double", hints=["a", "b"], seconds=8)
def double(trial, double):
    trial.is_callable(double, "double")
    trial.stage("value")
    result = trial.call(double, 21)
    assert result == 42, f"double(21) gave {result}."


@exercise("09.2", "Greet", hints=["a", "b"])
def greet(trial, greeting):
    trial.stage("value")
    assert greeting == "hello", f"It is {greeting!r}."
"""

EXERCISES = """\
# %%
from lab_utils.teaching import check, hint

# %%
### BEGIN SOLUTION 09.1
def double(x):
    return 2 * x
### END SOLUTION
### BEGIN STUB
# def double(x):
#     return ...
### END STUB

# %%
check("09.1", double)

# %%
### BEGIN SOLUTION 09.2
greeting = "hello"
### END SOLUTION
### BEGIN STUB
# greeting = ...
### END STUB

# %%
check("09.2", greeting)
"""

RIGHT = "def double(x):\n    return 2 * x"
CLASS = {
    "ann": (RIGHT, 'greeting = "hello"'),
    "bob": ("def double(x):\n    return x", 'hint("09.2")\ngreeting = "=HYPERLINK(1)"'),
    "cem": ("while True:\n    print('x' * 10_000)", 'greeting = "hello"'),
    "dee": (RIGHT, "import os\nos._exit(3)"),
    "eli": (RIGHT, "exit()"),
    "fay": (f"import os, shutil\nshutil.rmtree(os.getcwd())\n{RIGHT}", 'greeting = "hello"'),
    "gus": ("print('x' * 50_000_000)\n" + RIGHT, 'greeting = "hello"'),
    "hal": (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(3600)",
        'greeting = "hello"',
    ),
    "ivy": ("def double(x):\n    while True:\n        pass", 'greeting = "hello"'),
}
CELL_SECONDS, SECONDS = 5, 60
"""A cell may take less than a check: the check's time counts."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[grade.Mark]]:
    """The marks of the class."""
    root = tmp_path_factory.mktemp("grade")
    unit = root / "course" / "unit09_demo"
    unit.mkdir(parents=True)
    (unit / "checks.py").write_text(CHECKS)
    (unit / "exercises.py").write_text(EXERCISES)
    for student, answers in CLASS.items():
        notebook = build_exercises(EXERCISES, "course/unit09_demo/exercises.py", ["09.1", "09.2"])
        notebook.cells[2].source, notebook.cells[4].source = answers
        (root / "class" / student).mkdir(parents=True)
        nbformat.write(notebook, root / "class" / student / "exercises.ipynb")
    (root / "class" / "ida.ipynb").write_text("no notebook")
    (root / "class" / "jan_unit09_demo.ipynb").symlink_to(root / "nowhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_COURSE_DIR", str(root / "course"))
        patch.setenv("LAB_STATE_DIR", str(root / "state"))
        assert [found.number for found in course_units()] == ["09"]
        found = grade.grade(root / "class", seconds=SECONDS, cell_seconds=CELL_SECONDS, say=lambda _: None)
        yield [mark for some in found for mark in some]


def of(marks: list[grade.Mark], student: str) -> list[str]:
    return [mark.outcome for mark in marks if mark.student.startswith(student)]


def note(marks: list[grade.Mark], student: str) -> str:
    return next(mark.note for mark in marks if mark.student.startswith(student))


def test_right_and_wrong_answers_are_told_apart(marks: list[grade.Mark]) -> None:
    assert of(marks, "ann") == ["PASS", "PASS"]
    assert of(marks, "bob") == ["FAIL", "FAIL"]
    assert note(marks, "ann") == ""


def test_hints_are_counted(marks: list[grade.Mark]) -> None:
    assert [mark.hints for mark in marks if mark.student.startswith("bob")] == [0, 1]


def test_an_endless_cell_costs_that_exercise_alone(marks: list[grade.Mark]) -> None:
    assert of(marks, "cem") == [grade.NOT_REACHED, "PASS"]
    assert note(marks, "cem") == "stopped at its time limit: cell 3"


@pytest.mark.parametrize("student", ["dee", "eli"])
def test_a_notebook_that_ends_its_kernel_keeps_what_came_before(student: str, marks: list[grade.Mark]) -> None:
    assert of(marks, student)[0] == "PASS"
    assert of(marks, student)[1] in {grade.NOT_REACHED, "NOT_ATTEMPTED"}


def test_a_notebook_that_deletes_its_folder_is_marked_all_the_same(marks: list[grade.Mark]) -> None:
    assert of(marks, "fay") == ["PASS", "PASS"]


def test_a_flood_of_output_costs_nothing(marks: list[grade.Mark]) -> None:
    assert of(marks, "gus") == ["PASS", "PASS"]


def test_a_notebook_that_cannot_be_interrupted_is_killed(marks: list[grade.Mark]) -> None:
    assert of(marks, "hal") == [grade.NOT_REACHED, grade.NOT_REACHED]
    assert note(marks, "hal") == f"stopped after {SECONDS} s"


def test_an_answer_that_does_not_return_fails_also_where_a_cell_may_take_less_than_its_check(
    marks: list[grade.Mark],
) -> None:
    assert of(marks, "ivy") == ["FAIL", "PASS"]
    assert note(marks, "ivy") == ""


def test_a_file_that_is_no_notebook_or_cannot_be_read_is_listed(marks: list[grade.Mark]) -> None:
    assert of(marks, "ida") == of(marks, "jan") == [grade.UNREADABLE]
    assert "FileNotFoundError" in note(marks, "jan")


def test_the_list_and_the_page_say_who_and_where_the_class_is_stuck(marks: list[grade.Mark], tmp_path: Path) -> None:
    grade.write_csv(marks, tmp_path / "marks.csv")
    with (tmp_path / "marks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(marks) == 2 * len(CLASS) + 2
    assert rows[0]["student"] == "ann/exercises"
    grade.write_html(marks, tmp_path / "marks.html")
    page = (tmp_path / "marks.html").read_text()
    assert "Where the class is stuck" in page
    assert "1 hints" in page
    assert grade.stuck(marks)[0][0] in {"09.1", "09.2"}


def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(tmp_path: Path) -> None:
    mark = grade.Mark("=cmd()", "09_demo", "09.1", "FAIL", message="<script>")
    grade.write_csv([mark], tmp_path / "marks.csv")
    assert "'=cmd()" in (tmp_path / "marks.csv").read_text()
    grade.write_html([mark], tmp_path / "marks.html")
    assert "<script>" not in (tmp_path / "marks.html").read_text()
