"""The check engine on a miniature course: one exercise for each outcome, no server."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.settings import ROOT, settings
from lab_utils.teaching import api, check, engine, hint, progress, records, reveal, services
from lab_utils.teaching.cards import MIME
from lab_utils.teaching.outcomes import CheckFailed, Outcome, Report
from lab_utils.teaching.trial import Trial
from lab_utils.teaching.units import Exercise, find_exercise, find_unit, find_units, load_unit

CHECKS = """
import time

from lab_utils.errors import LabError
from lab_utils.teaching.units import exercise

TITLE = "Demo"
MINUTES = 5


@exercise("09.1", "Double", hints=["Think of two.", "Multiply:\\n    return … * x", "Really."], seconds=1)
def double(trial, double):
    trial.is_callable(double, "double")
    trial.stage("one number")
    result = trial.call(double, 21)
    assert isinstance(result, int), f"double(21) gave {result!r}."
    trial.stage("value")
    assert result == 42, f"double(21) gave {result}."


@exercise("09.2", "After the first", hints=["a", "b"], after=["09.1"])
def second(trial, value):
    assert value == "yes"


@exercise("09.3", "Rows", hints=["a", "b"])
def rows(trial, value):
    trial.stage("rows come")
    trial.wait_for(lambda: value == "now", 0.2, "rows in crypto_data", "lab produce crypto")


@exercise("09.4", "Slow check", hints=["a", "b"], seconds=0.3)
def slow(trial, value):
    time.sleep(5)


@exercise("09.5", "Careless check", hints=["a", "b"])
def careless(trial, value):
    trial.stage("length")
    assert len(value) == 3


@exercise("09.6", "With Kafka", hints=["a", "b"], needs=["kafka"])
def with_kafka(trial, function):
    trial.stage("call")
    assert trial.call(function) == 1, "not one"
"""

EXERCISES = '''\
# %%
### BEGIN SOLUTION 09.1
def double(x):
    return 2 * x
### END SOLUTION
### BEGIN STUB
# def double(x):
#     """Twice x."""
#     answer = ...
#     return answer
### END STUB

# %%
check("09.1", double)

# %%
### BEGIN SOLUTION 09.2
value = "yes"
### END SOLUTION

# %%
check("09.2", value)
'''


@pytest.fixture(autouse=True)
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of one unit, and a state folder of its own."""
    unit = tmp_path / "course" / "unit09_demo"
    unit.mkdir(parents=True)
    (unit / "checks.py").write_text(CHECKS)
    (unit / "exercises.py").write_text(EXERCISES)
    monkeypatch.setenv("LAB_COURSE_DIR", str(tmp_path / "course"))
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("LAB_STRICT", raising=False)
    return unit


def judged(exercise_id: str, *answers: object, **options: Any) -> Report:
    return engine.evaluate(find_exercise(exercise_id), answers, **options)


def shown(capsys: pytest.CaptureFixture[str], call: Callable[[], None]) -> str:
    call()
    return capsys.readouterr().out


# --- Outcomes ---------------------------------------------------------------------------------------------------


def test_a_right_answer_passes_and_names_what_was_checked() -> None:
    report = judged("09.1", lambda x: x + x)
    assert report.outcome is Outcome.PASS
    assert report.passed_stages == ("is a function", "one number", "value")


def test_a_wrong_answer_fails_at_its_stage_with_what_was_seen() -> None:
    report = judged("09.1", lambda x: x * x)
    assert (report.outcome, report.stage, report.message) == (Outcome.FAIL, "value", "double(21) gave 441.")
    assert report.passed_stages == ("is a function", "one number")


def test_the_message_does_not_give_the_answer_away() -> None:
    assert "42" not in judged("09.1", lambda x: x * x).message


def test_an_exception_of_the_answer_is_shown_with_its_input_and_line() -> None:
    def double(x: int) -> int:
        return x // 0

    report = judged("09.1", double)
    assert report.outcome is Outcome.ERROR
    assert report.message.startswith("Your code raised ZeroDivisionError")
    assert report.given == "double(21)"
    assert "return x // 0" in report.traceback


def test_an_assert_in_the_answer_is_the_students_not_the_checks() -> None:
    def double(x: int) -> int:
        assert x == 0, "only zero"
        return x

    assert judged("09.1", double).outcome is Outcome.ERROR


def test_exit_in_the_answer_is_an_error_and_ends_nothing() -> None:
    assert judged("09.1", lambda _: sys.exit()).outcome is Outcome.ERROR


@pytest.mark.parametrize("answer", [..., lambda _: ...])
def test_an_ellipsis_is_not_attempted(answer: object) -> None:
    assert judged("09.1", answer).outcome is Outcome.NOT_ATTEMPTED


def test_calling_check_without_an_answer_is_not_attempted() -> None:
    assert judged("09.1").outcome is Outcome.NOT_ATTEMPTED


def test_the_stub_is_recognised_also_with_another_comment() -> None:
    stub = api.student_cell(load_unit(find_exercise_folder()), "09.1")
    assert stub is not None
    for text in (stub, stub.replace("    answer", "    # I shall do this later\n\n    answer")):
        namespace: dict[str, Any] = {}
        exec(text, namespace)
        assert judged("09.1", namespace["double"], stub=stub).outcome is Outcome.NOT_ATTEMPTED


@pytest.mark.parametrize("body", ["...", "pass", '"""Twice x."""', '"""Twice x."""\n    ...', "return"])
def test_a_stub_of_which_only_the_body_is_left_is_not_attempted(body: str) -> None:
    stub = api.student_cell(load_unit(find_exercise_folder()), "09.1")
    namespace: dict[str, Any] = {}
    exec(f"def double(x):\n    {body}\n", namespace)
    assert judged("09.1", namespace["double"], stub=stub).outcome is Outcome.NOT_ATTEMPTED


@pytest.mark.parametrize("body", ["print(x)", "return 0", "x += 1", "return x"])
def test_a_function_that_does_anything_is_attempted(body: str) -> None:
    stub = api.student_cell(load_unit(find_exercise_folder()), "09.1")
    namespace: dict[str, Any] = {}
    exec(f"def double(x):\n    {body}\n", namespace)
    assert judged("09.1", namespace["double"], stub=stub).outcome is Outcome.FAIL


def test_a_changed_stub_is_attempted() -> None:
    stub = api.student_cell(load_unit(find_exercise_folder()), "09.1")
    assert stub is not None
    namespace: dict[str, Any] = {}
    exec(stub.replace("return answer", "return 1"), namespace)
    assert judged("09.1", namespace["double"], stub=stub).outcome is Outcome.FAIL


def find_exercise_folder() -> Path:
    return settings().course_dir / "unit09_demo"


def test_an_endless_loop_is_ended_and_said_to_be_one() -> None:
    def double(x: int) -> int:
        while True:
            x += 1

    started = time.monotonic()
    report = judged("09.1", double)
    assert (report.outcome, report.stage) == (Outcome.FAIL, "one number")
    assert report.message.startswith("Your code did not return within 1 s.")
    assert time.monotonic() - started < 20


def test_a_loop_that_catches_every_exception_is_ended_too() -> None:
    alive = [0]

    def double(x: int) -> int:
        while True:
            try:
                alive[0] += 1
                time.sleep(0.01)
            except Exception:
                continue

    judged("09.1", double)
    count = alive[0]
    time.sleep(0.1)
    assert alive[0] == count


def test_rows_that_do_not_come_are_the_environment_with_the_command() -> None:
    report = judged("09.3", "later")
    assert report.outcome is Outcome.ENVIRONMENT
    assert report.message == "Waited 0.2 s for rows in crypto_data; it did not come."
    assert report.repair == "lab produce crypto"
    assert judged("09.3", "now").outcome is Outcome.PASS


def test_while_a_check_waits_it_says_for_what_and_how_long() -> None:
    told: list[tuple[str, float]] = []
    judged("09.3", "later", on_wait=lambda what, left: told.append((what, left)))
    waits = [left for what, left in told if what == "rows in crypto_data"]
    assert waits
    assert waits == sorted(waits, reverse=True)
    assert 0 <= waits[-1] < 0.2


def test_what_the_answer_must_bring_is_waited_for_and_may_stay_away() -> None:
    trial = Trial("09.1")
    told: list[tuple[str, float] | None] = []
    assert trial.comes(lambda: told.append(trial.waiting_for), 0.1, "your broker") is None
    assert told[0] is not None
    assert told[0][0] == "your broker"
    assert trial.comes(lambda: 3, 10, "your broker") == 3
    assert trial.waiting_for is None


def test_a_check_that_takes_too_long_by_itself_blames_nobody() -> None:
    assert judged("09.4", 1).outcome is Outcome.ENVIRONMENT


def test_an_answer_that_the_check_cannot_look_at_fails_politely() -> None:
    report = judged("09.5", 7)
    assert (report.outcome, report.stage) == (Outcome.FAIL, "length")
    assert "could not be examined (TypeError" in report.message


def test_a_message_of_the_lab_inside_the_answer_is_the_environment() -> None:
    def double(x: int) -> int:
        raise LabError("Kafka is not running.", "Start it with: lab up")

    report = judged("09.1", double)
    assert (report.outcome, report.repair) == (Outcome.ENVIRONMENT, "Start it with: lab up")


# --- Servers ----------------------------------------------------------------------------------------------------


def servers(monkeypatch: pytest.MonkeyPatch, *states: int | None) -> None:
    """What is found at each look at Kafka: its process id, or None when it is down."""
    looks = iter(states)

    def look() -> int:
        found = next(looks)
        if found is None:
            raise LabError("Kafka is not running.", "Start it with: lab up")
        return found

    monkeypatch.setattr(services, "_kafka", look)


def test_without_its_server_an_exercise_says_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    servers(monkeypatch, None)
    report = judged("09.6", lambda: 2)
    assert (report.outcome, report.repair) == (Outcome.ENVIRONMENT, "Start it with: lab up")


@pytest.mark.parametrize("answer", [lambda: 2, lambda: 1 // 0], ids=["fails", "raises"])
def test_a_server_that_goes_away_meanwhile_is_blamed_not_the_answer(
    answer: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    servers(monkeypatch, 11, None)
    report = judged("09.6", answer)
    assert report.outcome is Outcome.ENVIRONMENT
    assert "It was there when the check began." in report.message
    assert not report.traceback


def test_a_server_that_was_started_again_meanwhile_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    servers(monkeypatch, 11, 12)
    assert judged("09.6", lambda: 2).outcome is Outcome.ENVIRONMENT


def test_with_its_server_there_the_answer_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    servers(monkeypatch, 11, 11)
    assert judged("09.6", lambda: 2).outcome is Outcome.FAIL


# --- What a notebook calls --------------------------------------------------------------------------------------


def test_check_shows_and_does_not_raise(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, lambda: check("09.1", lambda _: 0))
    assert said.startswith("✗ 09.1 Double: Not right yet")
    assert "Fine on what was tried so far: is a function, one number. Stopped at: value." in said
    assert "The solution opens after 2 more different answers." in said


def test_under_strict_a_check_that_does_not_pass_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_STRICT", "1")
    with pytest.raises(CheckFailed, match=r"09\.1: FAIL at value: double\(21\) gave 0"):
        check("09.1", lambda _: 0)
    check("09.1", lambda x: 2 * x)


def test_on_a_full_disk_a_right_answer_passes_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path, _text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "write_private", fail)
    said = shown(capsys, lambda: check("09.1", lambda x: 2 * x))
    assert said.startswith("✓ 09.1 Double") and "could not be noted: [Errno 28] No space left on device" in said
    assert "cannot be read or written: [Errno 28]" in shown(capsys, lambda: hint("09.1"))


def test_a_setting_that_is_not_usable_is_a_card(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KAFKA_PORT", "many")
    for call in (lambda: check("09.1", 1), lambda: hint("09.1"), lambda: reveal("09.1"), progress):
        assert "The setting LAB_KAFKA_PORT is not usable" in shown(capsys, call)


def test_without_assert_statements_nothing_passes(course: Path) -> None:
    code = "from lab_utils.teaching import check\ncheck('09.1', lambda x: 0)"
    done = subprocess.run(
        [sys.executable, "-O", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "a wrong answer would pass" in done.stdout and "Unset PYTHONOPTIMIZE" in done.stdout


def test_an_unknown_exercise_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no exercise 09.77." in shown(capsys, lambda: check("09.77", 1))
    assert "There is no unit 42." in shown(capsys, lambda: hint("42.1"))


def test_an_exercise_is_blocked_until_its_forerunner_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "This one builds on 09.1 (Double)" in shown(capsys, lambda: check("09.2", "yes"))
    assert "Not attempted" in shown(capsys, lambda: check("09.2", ...)), "untouched comes before blocked"
    check("09.1", lambda x: 2 * x)
    assert "✓ 09.2" in shown(capsys, lambda: check("09.2", "yes"))


def test_hints_come_one_by_one_and_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Hint 1 of 3" in shown(capsys, lambda: hint("09.1"))
    second = shown(capsys, lambda: hint("09.1"))
    assert "Hint 2 of 3" in second
    assert "\n    return … * x\n" in second
    for _ in range(3):
        assert "Hint 3 of 3" in shown(capsys, lambda: hint("09.1"))
    assert records.entry_of("09.1").hints == 3


def test_the_solution_is_closed_at_first(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, lambda: reveal("09.1"))
    assert "opens when your answer passes, or after 3 more different answers" in said
    assert "2 * x" not in said


def test_the_solution_opens_after_three_different_answers(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(5):
        check("09.1", lambda _: 0)
    assert "after 2 more" in shown(capsys, lambda: reveal("09.1")).splitlines()[-2], "the same answer counts once"
    check("09.1", lambda _: 1)
    check("09.1", lambda x: x // 0)
    capsys.readouterr()
    assert "return 2 * x" in shown(capsys, lambda: reveal("09.1"))
    assert records.entry_of("09.1").revealed == "attempts"


def test_the_solution_opens_with_a_pass(capsys: pytest.CaptureFixture[str]) -> None:
    check("09.1", lambda x: x << 1)
    check("09.1", lambda _: 0)
    assert "return 2 * x" in shown(capsys, lambda: reveal("09.1"))
    assert records.entry_of("09.1").revealed == "passed"


def test_giving_up_opens_the_solution_and_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    assert "return 2 * x" in shown(capsys, lambda: reveal("09.1", give_up=True))
    assert records.entry_of("09.1").revealed == "gave up"


def test_progress_lists_all_and_names_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    check("09.1", lambda x: 2 * x)
    said = shown(capsys, progress)
    assert "1 of 6 exercises passed" in said
    assert "Next: 09.2 After the first." in said
    assert "✓ Passed" in said
    assert "○ Not attempted" in said


TWO_EXERCISES = """
from lab_utils.teaching.units import exercise

TITLE = "Two"
MINUTES = 5


@exercise("09.1", "First", hints=["a", "b"])
def first(trial, value):
    assert value == "yes"


@exercise("09.2", "Last", hints=["a", "b"])
def last(trial, value):
    assert value == "yes"
"""


def test_the_card_of_the_last_exercise_says_where_to_go(capsys: pytest.CaptureFixture[str], course: Path) -> None:
    (course / "checks.py").write_text(TWO_EXERCISES)
    load_unit.cache_clear()
    assert "Still open in this unit: 09.1." in shown(capsys, lambda: check("09.2", "yes"))
    check("09.1", "yes")
    assert "This was the last exercise of the course." in shown(capsys, lambda: check("09.2", "yes"))
    following = course.with_name("unit10_more")
    following.mkdir()
    (following / "checks.py").write_text('TITLE = "More"\nMINUTES = 5\n')
    said = shown(capsys, lambda: check("09.2", "yes"))
    assert "This was the last exercise of unit 09. Next: the lesson `notebooks/10_more.ipynb`." in said


# --- Progress on disk -------------------------------------------------------------------------------------------


def test_the_environment_does_not_take_back_a_pass() -> None:
    records.record_check("09.1", Outcome.PASS, "a")
    records.record_check("09.1", Outcome.ENVIRONMENT, "a")
    assert records.entry_of("09.1").outcome is Outcome.PASS
    records.record_check("09.1", Outcome.FAIL, "b")
    assert records.entry_of("09.1").outcome is Outcome.FAIL
    assert records.entry_of("09.1").ever_passed


@pytest.mark.parametrize("text", ["", "{", "[]", '{"exercises": 7}', '{"exercises": {"09.1": {"outcome": "?"}}}'])
def test_a_damaged_progress_file_keeps_nobody_from_working(text: str) -> None:
    records.progress_file().parent.mkdir(parents=True)
    records.progress_file().write_text(text)
    assert records.entry_of("09.1") == records.Entry()
    records.record_hint("09.1", 1)
    assert records.entry_of("09.1").hints == 1


def test_progress_survives_the_process() -> None:
    records.record_check("09.1", Outcome.FAIL, "abc")
    stored = json.loads(records.progress_file().read_text())
    assert stored["exercises"]["09.1"]["attempts"] == ["abc"]


# --- In a notebook ----------------------------------------------------------------------------------------------


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a kernel would show, newest last; an update replaces what stood there."""
    shown: list[dict[str, Any]] = []

    def display(bundle: dict[str, Any], *, raw: bool, display_id: bool = False) -> SimpleNamespace:
        assert raw
        shown.append(bundle)
        place = len(shown) - 1

        def update(new: dict[str, Any], *, raw: bool) -> None:
            shown[place] = new

        return SimpleNamespace(update=update)

    monkeypatch.setattr("lab_utils.teaching.cards.in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    return shown


def test_a_card_has_html_text_and_data(displayed: list[dict[str, Any]]) -> None:
    check("09.1", lambda _: 0)
    (bundle,) = displayed
    assert 'data-outcome="FAIL" data-exercise="09.1"' in bundle["text/html"]
    assert "Not right yet" in bundle["text/plain"]
    assert bundle[MIME]["outcome"] == "FAIL"
    assert bundle[MIME]["stage"] == "value"


def test_what_a_student_gives_is_escaped(displayed: list[dict[str, Any]]) -> None:
    check("09.1", lambda _: "<script>alert(1)</script>")
    assert "<script>" not in displayed[0]["text/html"]
    assert "&lt;script&gt;" in displayed[0]["text/html"]


def test_a_card_needs_nothing_from_the_network(displayed: list[dict[str, Any]]) -> None:
    for answer in (..., lambda _: 0, lambda x: 2 * x, lambda x: x // 0):
        check("09.1", answer)
    assert not any("http" in bundle["text/html"] or "src=" in bundle["text/html"] for bundle in displayed)


def test_the_countdown_gives_its_place_to_the_result(
    displayed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_utils.teaching.cards.Countdown.SILENT_SECONDS", 0)
    check("09.3", "later")
    assert [bundle.get(MIME, {}).get("outcome") for bundle in displayed] == ["ENVIRONMENT"]


# --- Declarations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"09.1", "Double"', '"9.1", "Double"', "The exercise id '9.1' is none"),
        ('"09.1", "Double"', '"08.1", "Double"', "declares 08.1"),
        ('exercise("09.3"', 'exercise("09.1"', "declares an id twice"),
        ('after=["09.1"]', 'after=["09.3"]', "is to come after 09.3"),
        ('needs=["kafka"]', 'needs=["kafak"]', "needs kafak"),
        ('TITLE = "Demo"', "", "lacks TITLE or MINUTES"),
        ("import time", "import tmie", "does not load: ModuleNotFoundError"),
    ],
)
def test_a_wrong_declaration_is_named(old: str, new: str, says: str, course: Path) -> None:
    assert old in CHECKS
    (course / "checks.py").write_text(CHECKS.replace(old, new))
    with pytest.raises(LabError) as caught:
        find_units(course.parent)
    assert says in str(caught.value)


@pytest.mark.parametrize("said", ["09b", "9b", "09b_other"])
def test_a_unit_of_several_notebooks_has_letters(course: Path, said: str) -> None:
    other = course.parent / "unit09b_other"
    other.mkdir()
    (other / "checks.py").write_text(CHECKS.replace('"09.', '"09b.'))
    assert [unit.number for unit in find_units(course.parent)] == ["09", "09b"]
    assert find_unit(said).exercises["09b.1"].title == "Double"


def test_two_units_of_one_number_are_refused(course: Path) -> None:
    other = course.parent / "unit09_other"
    other.mkdir()
    (other / "checks.py").write_text(CHECKS)
    with pytest.raises(LabError, match="Two units have the number 09"):
        find_units(course.parent)


def test_what_a_check_makes_is_removed_when_it_fails() -> None:
    made: list[Path] = []

    def check_folder(trial: Trial, value: object) -> None:
        made.append(trial.folder())
        assert value == 1, "no"

    assert engine.evaluate(Exercise("09.1", "t", check_folder, ("a", "b")), (2,)).outcome is Outcome.FAIL
    assert not made[0].exists()
