"""The proof finds what is weak in a unit: a miniature course with each kind of mistake, no server."""

from pathlib import Path
from textwrap import dedent

import pytest

from lab_utils.errors import LabError
from lab_utils.teaching import proof
from lab_utils.teaching.mutants import mutants
from lab_utils.teaching.units import find_unit

CHECKS = """
from lab_utils.teaching.units import exercise

TITLE = "Demo"
MINUTES = 5


@exercise("09.1", "Sum", hints=["a", "b"], seconds=2)
def total(trial, total):
    trial.is_callable(total, "total")
    trial.stage("value")
    for numbers in ([1, 2, 3], [5], []):
        result = trial.call(total, numbers)
        assert result == sum(numbers), f"{numbers} gave {result}"
"""

EXERCISES = """\
# %% tags=["setup"]
START = 0

# %%
### BEGIN SOLUTION 09.1
def total(numbers):
    result = START
    for number in numbers:
        if number > 0:
            result += number
    return result
### END SOLUTION
### BEGIN STUB
# def total(numbers):
#     return ...
### END STUB

# %%
check("09.1", total)
"""

WRONG = {
    "first": ("FAIL", "value", "gave 1", "def total(numbers):\n    return numbers[0]"),
    "nothing": ("FAIL", "value", "gave None", "def total(numbers):\n    print(sum(numbers))"),
    "raises": ("ERROR", "value", "NameError", "def total(numbers):\n    return suum(numbers)"),
}


def head(outcome: str, stage: str, message: str, code: str) -> str:
    return f"# outcome: {outcome}\n# stage: {stage}\n# message: {message}\n{code}\n"


@pytest.fixture(autouse=True)
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A unit that proves well, but for mutants."""
    folder = tmp_path / "course" / "unit09_demo"
    answers = folder / "answers" / "09.1"
    answers.mkdir(parents=True)
    (folder / "lesson.py").write_text("# %%\n1 + 1\n")
    (folder / "exercises.py").write_text(EXERCISES)
    (folder / "checks.py").write_text(CHECKS)
    for name, parts in WRONG.items():
        (answers / f"wrong_{name}.py").write_text(head(*parts))
    (answers / "alt_sum.py").write_text("total = sum\n")
    monkeypatch.setenv("LAB_COURSE_DIR", str(tmp_path / "course"))
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(proof, "JUDGES", 1)  # the processes of four would take longer to start than to judge
    return folder


def tried() -> proof.Result:
    result = proof.Result("09_demo")
    proof.try_answers(find_unit("09"), result, lambda _: None)
    return result


def test_good_answers_are_counted(unit: Path) -> None:
    result = tried()
    assert (result.wrong_caught, result.wrong) == (3, 3)
    assert (result.alternatives_accepted, result.alternatives) == (1, 1)


def test_an_answer_that_ends_the_judging_process_is_named(unit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "JOB_SECONDS", 10)
    answer = unit / "answers" / "09.1" / "wrong_ends.py"
    answer.write_text(head("ERROR", "value", "SystemExit", "import os\ndef total(numbers):\n    os._exit(1)"))
    with pytest.raises(LabError, match=r"wrong_ends\.py: the process that judged it ended"):
        tried()


def test_a_solution_that_a_busy_machine_made_late_is_judged_once_more(unit: Path) -> None:
    seen = unit / "seen"
    late = f"""START = 0
def late():
    from pathlib import Path
    if not Path({str(seen)!r}).exists():
        Path({str(seen)!r}).touch()
        while True:
            pass
"""
    exercises = EXERCISES.replace("START = 0\n", late).replace("    result = START", "    late()\n    result = START")
    (unit / "exercises.py").write_text(exercises)
    problems = tried().problems
    assert seen.exists()
    assert not any("the solution gives" in problem for problem in problems), problems


def test_a_mutant_that_the_check_accepts_is_a_problem(unit: Path) -> None:
    result = tried()
    assert 0 < result.mutants_killed < result.mutants
    assert any("number > 0" in problem and "gives PASS" in problem for problem in result.problems)


def test_a_mutant_listed_as_equivalent_is_none(unit: Path) -> None:
    before = tried()
    (survivor,) = [problem for problem in before.problems if "number >= 0" in problem]
    description = survivor.split("the mutant ", 1)[1].rsplit(" gives PASS", 1)[0]
    (unit / "checks.py").write_text(
        CHECKS.replace("seconds=2", f"seconds=2, equivalent_mutants={{{description}: 'a zero adds nothing'}}")
    )
    reload()
    after = tried()
    assert (after.equivalent, after.mutants) == (1, before.mutants - 1)
    assert not any("number >= 0" in problem for problem in after.problems)


def test_an_equivalent_mutant_that_is_none_any_more_is_a_problem(unit: Path) -> None:
    (unit / "checks.py").write_text(CHECKS.replace("seconds=2", "seconds=2, equivalent_mutants={'a → b': 'old'}"))
    reload()
    assert "09.1: there is no mutant 'a → b' any more" in tried().problems


def reload() -> None:
    from lab_utils.teaching.units import load_unit

    load_unit.cache_clear()


@pytest.mark.parametrize(
    "parts",
    [
        ("FAIL", "value", "gave 7", "def total(numbers):\n    return numbers[0]"),
        ("FAIL", "is a function", "gave 1", "def total(numbers):\n    return numbers[0]"),
        ("ERROR", "value", "gave 1", "def total(numbers):\n    return numbers[0]"),
        ("FAIL", "value", "gave", "total = sum"),
    ],
    ids=["message", "stage", "outcome", "right answer"],
)
def test_a_wrong_answer_that_does_not_fail_as_declared_is_a_problem(parts: tuple[str, ...], unit: Path) -> None:
    (unit / "answers" / "09.1" / "wrong_first.py").write_text(head(*parts))
    result = tried()
    assert (result.wrong_caught, result.wrong) == (2, 3)
    assert any("wrong_first.py: declared" in problem for problem in result.problems)


def test_a_right_answer_that_is_refused_is_a_problem(unit: Path) -> None:
    (unit / "answers" / "09.1" / "alt_bad.py").write_text("def total(numbers):\n    return 6\n")
    assert any("alt_bad.py: a right answer gave FAIL" in problem for problem in tried().problems)


def test_a_solution_that_does_not_pass_is_a_problem(unit: Path) -> None:
    (unit / "exercises.py").write_text(EXERCISES.replace("result += number", "result -= number"))
    assert any("the solution gives FAIL" in problem for problem in tried().problems)


def test_an_exercise_solved_as_shipped_is_a_problem(unit: Path) -> None:
    (unit / "exercises.py").write_text(EXERCISES.replace("#     return ...", "#     return sum(numbers) or 5"))
    result = tried()
    assert not any("as shipped" in problem for problem in result.problems), "an untouched stub is never run"
    (unit / "exercises.py").write_text(EXERCISES.replace("# def total(numbers):\n#     return ...", "# total = sum"))
    assert any("as shipped it gives PASS" in problem for problem in tried().problems)


def test_an_answer_without_its_declaration_is_refused(unit: Path) -> None:
    (unit / "answers" / "09.1" / "wrong_first.py").write_text("total = 1\n")
    with pytest.raises(LabError, match="does not declare its message, outcome, stage"):
        tried()


def test_the_lint_names_what_a_unit_lacks(unit: Path) -> None:
    assert proof.lint(find_unit("09")) == []
    (unit / "answers" / "09.1" / "alt_sum.py").unlink()
    (unit / "answers" / "09.1" / "wrong_first.py").unlink()
    (unit / "answers" / "09.1" / "notes.txt").write_text("x")
    (unit / "checks.py").write_text(CHECKS.replace('["a", "b"]', '["a"]'))
    reload()
    assert proof.lint(find_unit("09")) == [
        "unit09_demo/checks.py: 09.1 has fewer than 2 hints",
        "unit09_demo/answers/09.1: 2 wrong_*.py where 3 are needed",
        "unit09_demo/answers/09.1: 0 alt_*.py where 1 are needed",
        "unit09_demo/answers/09.1/notes.txt: a stray file",
    ]


# --- Mutants ----------------------------------------------------------------------------------------------------


def described(solution: str) -> list[str]:
    code = dedent(solution).strip("\n")
    return [mutant.description for mutant in mutants(code, code)]


def test_each_kind_of_mutant() -> None:
    found = described(
        '''
        def f(a: int, b: str = "x") -> int:
            """A text."""
            if a < 1 and b:
                log(a)
            return g(a + 2, key=b)
        '''
    )
    for expected in (
        "a < 1 → a <= 1",
        "a < 1 and b → a < 1 or b",
        "if a < 1 and b → not (a < 1 and b)",
        "log(a) → removed",
        "a + 2 → a - 2",
        "g(a + 2, key=b) → without key=b",
        "return g(a + 2, key=b) → return None",
        "1 → 2",
        "'x' → 'xx'",
    ):
        assert expected in found
    assert not any("A text" in description or "int" in description.split("→")[0] for description in found)


def test_equal_changes_are_numbered() -> None:
    assert described("x = 1\ny = 1") == ["1 → 2", "1 → 2 (2)"]


def test_code_outside_the_solution_is_left_alone() -> None:
    cell = "before = 1\ninside = 2\nafter = 3"
    assert [mutant.description for mutant in mutants(cell, "inside = 2")] == ["2 → 3"]


def test_every_mutant_is_valid_and_different() -> None:
    cell = EXERCISES.split("### BEGIN SOLUTION 09.1\n")[1].split("### END", maxsplit=1)[0]
    found = mutants(cell, cell)
    codes = [mutant.code for mutant in found]
    assert len(set(codes)) == len(codes) == len({mutant.description for mutant in found})
    for code in codes:
        compile(code, "<mutant>", "exec")
