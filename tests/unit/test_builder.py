"""The language of the course sources, and what is built from them."""

import json
from pathlib import Path
from textwrap import dedent

import jupytext
import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab_utils.errors import LabError
from lab_utils.settings import ROOT
from lab_utils.teaching import builder
from lab_utils.teaching.source import SourceError, read_cells

FILE = "course/unit01_demo/exercises.py"
SECRET = "return sum(price * size for price, size in trades) / total_of(trades)"

EXERCISES = f"""\
# Source of the exercises.

# %% [markdown]
# # Exercises
#
# Read first.

# %% tags=["setup"]
from decimal import Decimal

# %%
### BEGIN SOLUTION 01.1
def mean_price(trades):
    {SECRET}
### END SOLUTION
### BEGIN STUB
# def mean_price(trades):
#     # Weigh each price by its size.
#     return ...
### END STUB

# %%
check("01.1", mean_price)

# %% [markdown] tags=["solution"]
# The mean is weighted because a large trade says more about the price than a small one.
"""


def student_sources(text: str = EXERCISES, known: tuple[str, ...] = ("01.1",)) -> list[str]:
    return [cell.source for cell in builder.build_exercises(text, FILE, known).cells]


def error_of(text: str, known: tuple[str, ...] = ("01.1",)) -> str:
    with pytest.raises(SourceError) as caught:
        builder.build_exercises(text, FILE, known)
    assert caught.value.repair == "Correct that line, then run: lab build"
    return caught.value.what


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if part in line)


# --- What is built ----------------------------------------------------------------------------------------------


def test_students_get_the_stub_in_place_of_the_answer() -> None:
    assert student_sources()[3] == dedent(
        """\
        def mean_price(trades):
            # Weigh each price by its size.
            return ..."""
    )


def test_the_solutions_have_the_answer_and_no_markers() -> None:
    notebook = builder.build_solutions(EXERCISES, FILE, ["01.1"])
    assert notebook.cells[3].source == f"def mean_price(trades):\n    {SECRET}"
    assert "###" not in builder.notebook_text(notebook)


def test_cells_tagged_solution_are_for_the_solutions_alone() -> None:
    assert not any("weighted" in source for source in student_sources())
    assert any("weighted" in cell.source for cell in builder.build_solutions(EXERCISES, FILE, ["01.1"]).cells)


def test_without_a_stub_students_get_an_ellipsis() -> None:
    text = (
        '# %%\n### BEGIN SOLUTION 01.1\ncount = len("abcdefgh" * 12)\n### END SOLUTION\n\n# %%\ncheck("01.1", count)\n'
    )
    assert student_sources(text)[1] == "...  # your answer"


def test_a_region_inside_a_function_keeps_its_indentation() -> None:
    text = dedent(
        """\
        # %%
        def double(x):
            ### BEGIN SOLUTION 01.1
            return 2 * x
            ### END SOLUTION
            ### BEGIN STUB
            # return ...  # twice x
            ### END STUB

        # %%
        check("01.1", double)
        """
    )
    assert student_sources(text)[1] == "def double(x):\n    return ...  # twice x"


def test_the_same_source_gives_the_same_bytes() -> None:
    first, second = (builder.notebook_text(builder.build_exercises(EXERCISES, FILE, ["01.1"])) for _ in range(2))
    assert first == second
    assert first.endswith("}\n")
    assert "\r" not in first


def test_a_notebook_has_a_kernel_unique_ids_and_no_outputs() -> None:
    notebook = builder.build_lesson("# %%\n1 + 1\n\n# %%\n1 + 1\n", "course/unit01_demo/lesson.py")
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == 3
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code"] == [[], []]
    nbformat.validate(notebook)


def test_a_new_cell_leaves_the_ids_of_the_others() -> None:
    before = builder.build_lesson("# %%\na = 1\n\n# %%\nb = 2\n", "course/unit01_demo/lesson.py")
    after = builder.build_lesson("# %%\na = 1\n\n# %%\nnew = 0\n\n# %%\nb = 2\n", "course/unit01_demo/lesson.py")
    assert {cell.id for cell in before.cells} < {cell.id for cell in after.cells}


def test_cells_are_read_as_jupytext_reads_them() -> None:
    for path in sorted((ROOT / "course").glob("unit*/lesson.py")):
        text = path.read_text(encoding="utf-8")
        mine = [(cell.kind, "\n".join(cell.lines)) for cell in read_cells(text, path.name)]
        theirs = [(cell.cell_type, cell.source) for cell in jupytext.reads(text, fmt="py:percent").cells]
        assert mine == theirs[-len(mine) :]
        assert len(theirs) - len(mine) <= 1, "only the comment before the first cell is left out"


def test_a_tag_for_the_comparison_of_outputs_reaches_nbval() -> None:
    notebook = builder.build_lesson('# %% tags=["deterministic"]\n1 + 1\n', "course/unit01_demo/lesson.py")
    assert notebook.cells[1].metadata.tags == ["deterministic", "nbval-check-output"]


# --- What is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("### begin solution 01.1", "looks like a marker and is none"),
        ("### BEGIN SOLUTON 01.1", "looks like a marker and is none"),
        ("## BEGIN SOLUTION 01.1", "looks like a marker and is none"),
        ("# BEGIN SOLUTION 01.1", "looks like a marker and is none"),
        ("#BEGINSOLUTION 01.1", "looks like a marker and is none"),
        ("###BEGIN SOLUTION 01.1", "looks like a marker and is none"),
        ("### BEGIN SOLUTION 1.1", "looks like a marker and is none"),
        ("### BEGIN SOLUTION 01.1 # easy", "looks like a marker and is none"),
        ("x = 1  ### BEGIN SOLUTION 01.1", "looks like a marker and is none"),
        ("### BEGIN HIDDEN TESTS", "looks like a marker and is none"),
        ("### BEGIN SOLUTION", "without an exercise id"),
        ("### BEGIN SOLUTION 01.7", "the exercise 01.7 is not declared"),
        ("### BEGIN STUB", "BEGIN STUB where only a solution may begin"),
        ("### END SOLUTION", "END SOLUTION without a BEGIN"),
    ],
)
def test_a_wrong_marker_is_an_error_with_file_and_line(wrong: str, says: str) -> None:
    text = EXERCISES.replace("### BEGIN SOLUTION 01.1", wrong)
    said = error_of(text)
    assert said.startswith(f"{FILE}:{line_of(text, wrong)}: ")
    assert says in said


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("### END SOLUTION\n", "", "BEGIN STUB inside a solution"),
        ("### END STUB\n", "", "BEGIN STUB without an END"),
        ("### END SOLUTION\n", "### END STUB\n", "END STUB where END SOLUTION must stand"),
        ("### END SOLUTION\n", "### END SOLUTION 01.1\n", "looks like a marker and is none"),
        ("### END SOLUTION\n", "### END SOLUTION\nx = 1\n", "code between a solution and its stub"),
        ("### END SOLUTION\n", "    ### END SOLUTION\n", "indented differently"),
        ("#     return ...", "    return ...", "a line of a stub that is no comment"),
        ("#     return ...", "#     return (", "what students see of the cell is no valid Python"),
        ("def mean_price(trades):\n    return", "def mean_price(trades:\n    return", "no valid Python"),
        (f"def mean_price(trades):\n    {SECRET}", "# later", "the solution is empty"),
        ('check("01.1", mean_price)', "mean_price([])", "a solution cell must come directly behind a check"),
        ('check("01.1", mean_price)', 'check("01.1", mean_price)  # look', "holds one call of check and nothing else"),
        ('check("01.1", mean_price)', 'check("01.2", mean_price)', "check('01.2') without a solution"),
        ("# Read first.", "# ### END SOLUTION", "a marker in a text cell"),
        ("# Read first.", "Read first.", "does not begin with '# '"),
        ("# %% [markdown]\n# # Exer", "# %% [markdwn]\n# # Exer", "looks like the start of a cell and is none"),
        ("# %%\ncheck", "#%%\ncheck", "looks like the start of a cell and is none"),
        ('tags=["setup"]', 'tags=["sutep"]', "unknown tag 'sutep'"),
        ("from decimal", "%matplotlib inline\nfrom decimal", "no valid Python"),
        ("# Source of", "source = 1  # of", "code before the first cell"),
        ("from decimal", "\tfrom decimal", "a tab"),
    ],
)
def test_what_cannot_be_built_is_refused(old: str, new: str, says: str) -> None:
    text = EXERCISES.replace(old, new)
    assert text != EXERCISES
    assert says in error_of(text)


def test_a_declared_exercise_must_be_there() -> None:
    assert "the declared exercise 01.2 has no solution here" in error_of(EXERCISES, ("01.1", "01.2"))


def test_an_exercise_without_a_check_is_refused() -> None:
    assert "nothing checks 01.1" in error_of(EXERCISES[: EXERCISES.index('# %%\ncheck("')])


def test_a_second_solution_of_an_exercise_is_refused() -> None:
    again = EXERCISES[EXERCISES.index("# %%\n### BEGIN") : EXERCISES.index('# %%\ncheck("')]
    assert "a second solution of 01.1" in error_of(f"{EXERCISES}\n{again}")


def test_a_lesson_has_no_solutions() -> None:
    with pytest.raises(SourceError, match="a lesson has no solutions"):
        builder.build_lesson(EXERCISES, FILE)


# --- Leaks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        f"# %%\ndef helper(trades):\n    {SECRET}",
        f"# %%\ndef helper(trades):\n    {SECRET.replace('(price * size', '(  price*size ')}",
        f"# %%\n# {SECRET}",
        f"# %% [markdown]\n# Hint: `{SECRET}`",
        "# %% [markdown]\n# The mean is weighted because a large trade says more about the price than a small one.",
    ],
)
def test_an_answer_that_shows_elsewhere_in_the_notebook_is_refused(place: str) -> None:
    said = error_of(EXERCISES.replace('# %% tags=["setup"]', f'{place}\n\n# %% tags=["setup"]'))
    assert "students would see this part of the answer" in said


def test_answers_are_found_in_outputs_and_metadata_too() -> None:
    cells = read_cells(EXERCISES, FILE)
    clean = json.loads(builder.notebook_text(builder.build_exercises(EXERCISES, FILE, ["01.1"])))
    assert not list(builder.leaks(cells, FILE, clean))
    in_output = {**clean, "cells": [*clean["cells"], {"outputs": [{"text": [f"    {SECRET}\n"]}]}]}
    assert [line for line, _ in builder.leaks(cells, FILE, in_output)] == [line_of(EXERCISES, SECRET)]
    assert list(builder.leaks(cells, FILE, {**clean, "metadata": {"note": SECRET}}))


def test_the_shipped_exercises_show_no_answer() -> None:
    shipped = sorted((ROOT / "exercises").glob("*.ipynb"))
    assert shipped
    for path in shipped:
        source = next((ROOT / "course").glob(f"unit{path.stem}")) / "exercises.py"
        cells = read_cells(source.read_text(encoding="utf-8"), source.name)
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert not list(builder.leaks(cells, source.name, notebook)), path.name
        assert not any(cell.get("outputs") for cell in notebook["cells"])
        assert "SOLUTION" not in path.read_text(encoding="utf-8")


@st.composite
def slips(draw: st.DrawFn) -> str:
    """The source with one to three slips of the hand in its marker lines."""
    lines = EXERCISES.split("\n")
    numbers = [number for number, line in enumerate(lines) if "###" in line or line.startswith("# %%")]
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.sampled_from(numbers))
        line = lines[number]
        place = draw(st.integers(0, max(len(line) - 1, 0)))
        kind = draw(st.sampled_from(["drop", "double", "swap", "case", "letter", "indent", "gone", "twice"]))
        lines[number] = {
            "drop": line[:place] + line[place + 1 :],
            "double": line[:place] + line[place : place + 1] + line[place:],
            "swap": line[:place] + line[place : place + 2][::-1] + line[place + 2 :],
            "case": line.swapcase(),
            "letter": line[:place] + draw(st.sampled_from("#XS 1.")) + line[place + 1 :],
            "indent": "    " + line,
            "gone": "",
            "twice": f"{line}\n{line}",
        }[kind]
    return "\n".join(lines)


@given(slips())
@example(EXERCISES.replace("### BEGIN SOLUTION 01.1\n", "").replace("### END SOLUTION\n", ""))
@settings(max_examples=600, deadline=None)
def test_no_slip_in_a_marker_ships_an_answer(text: str) -> None:
    try:
        built = builder.notebook_text(builder.build_exercises(text, FILE, ["01.1"]))
    except SourceError:
        return
    assert "total_of" not in built
    assert "weighted" not in built


# --- Files ------------------------------------------------------------------------------------------------------

CHECKS = """
from lab_utils.teaching.units import exercise

TITLE = "Demo"
MINUTES = 5


@exercise("01.1", "Mean", hints=["a", "b"])
def mean(trial, mean_price):
    pass
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    unit = tmp_path / "course" / "unit01_demo"
    unit.mkdir(parents=True)
    (unit / "lesson.py").write_text("# %%\n1 + 1\n")
    (unit / "exercises.py").write_text(EXERCISES)
    (unit / "checks.py").write_text(CHECKS)
    return tmp_path


def test_building_twice_changes_nothing(root: Path) -> None:
    assert len(builder.write_files(root)) == 3
    assert builder.write_files(root) == []
    assert builder.stale_files(root) == []


def test_a_notebook_that_was_edited_by_hand_is_found_and_restored(root: Path) -> None:
    builder.write_files(root)
    notebook = root / "exercises" / "01_demo.ipynb"
    notebook.write_text(notebook.read_text() + " ")
    assert builder.stale_files(root) == ["exercises/01_demo.ipynb differs from its source"]
    assert builder.write_files(root) == ["exercises/01_demo.ipynb"]


def test_a_notebook_without_a_source_is_found_and_removed(root: Path) -> None:
    builder.write_files(root)
    (root / "solutions" / "09_old.ipynb").write_text("{}")
    assert builder.stale_files(root) == ["solutions/09_old.ipynb has no source"]
    builder.write_files(root)
    assert not (root / "solutions" / "09_old.ipynb").exists()


def test_nothing_is_written_when_one_source_is_wrong(root: Path) -> None:
    (root / "course" / "unit01_demo" / "exercises.py").write_text(EXERCISES.replace("END SOLUTION", "END SOLUTON"))
    with pytest.raises(LabError):
        builder.write_files(root)
    assert not (root / "notebooks").exists()


def test_the_committed_notebooks_are_what_the_sources_give() -> None:
    assert builder.stale_files(ROOT) == []
