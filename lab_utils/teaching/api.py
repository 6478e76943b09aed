"""What a notebook calls: `check`, `hint`, `reveal` and `progress`. They show a card and never raise, so that Run All goes on.

With `LAB_STRICT=1` (CI, `lab verify`) a check that does not pass raises.
"""

import contextlib
import dataclasses
import os
import time
import traceback

from lab_utils.errors import LabError
from lab_utils.teaching import records as kept
from lab_utils.teaching.builder import all_regions, with_stubs
from lab_utils.teaching.cards import LOOKS, Card, Countdown, report_card, show, table_card
from lab_utils.teaching.engine import evaluate
from lab_utils.teaching.fingerprint import fingerprint, is_untouched
from lab_utils.teaching.outcomes import CheckFailed, Outcome, Report
from lab_utils.teaching.source import Cell, read_cells, regions
from lab_utils.teaching.units import Exercise, Unit, course_units, find_exercise, find_unit


def check(exercise_id: str, *answers: object) -> None:
    """Check your answer to an exercise, as in `check("01.2", send_ticks)`.

    Args:
        exercise_id: as in the heading of the exercise.
        *answers: the function (without calling it) or value that the exercise asks for.

    Raises:
        CheckFailed: it did not pass, and `LAB_STRICT=1` is set.
    """
    started = time.monotonic()
    countdown = Countdown(str(exercise_id), started)
    try:
        report = _checked(exercise_id, answers, countdown)
    except LabError as error:
        report = Report(str(exercise_id), "", Outcome.ENVIRONMENT, message=error.what, repair=error.repair)
    except KeyboardInterrupt:
        report = Report(
            str(exercise_id), "", Outcome.ENVIRONMENT, message="You stopped the check.", repair="Run the cell again."
        )
    except Exception as error:  # a defect of the lab must not look like the student's
        report = Report(
            str(exercise_id),
            "",
            Outcome.ENVIRONMENT,
            message=f"The check itself is broken: {type(error).__name__}: {error}",
            traceback=traceback.format_exc(limit=-3),
            repair="Tell whoever runs the course; go on with the next exercise.",
        )
    entry = kept.Entry()
    with contextlib.suppress(LabError, OSError):  # the card says it already
        entry = kept.entry_of(report.exercise_id)
    extra = {"hints": entry.hints, "attempts": len(entry.attempts), "revealed": entry.revealed}
    countdown.end(report_card(report, extra))
    if os.environ.get("LAB_STRICT") == "1" and report.outcome is not Outcome.PASS:
        raise CheckFailed(f"{report.exercise_id}: {report.outcome} at {report.stage or 'start'}: {report.message}")


def _checked(exercise_id: str, answers: tuple[object, ...], countdown: Countdown) -> Report:
    exercise = find_exercise(exercise_id)
    unit = find_unit(exercise.unit)
    stub = student_cell(unit, exercise_id)
    if not answers or is_untouched(answers, stub):
        report = evaluate(exercise, ())
    else:
        report = blocked(exercise, unit) or evaluate(
            exercise, answers, on_wait=lambda what, left: countdown.wait(what, left, time.monotonic())
        )
    try:
        entry = kept.record_check(exercise_id, report.outcome, fingerprint(answers))
    except OSError as error:  # what came of the answer is true all the same
        return dataclasses.replace(report, next_step=f"This could not be noted: {error}. See `lab doctor`.")
    return dataclasses.replace(report, next_step=_next_step(report, exercise, unit, entry))


def blocked(exercise: Exercise, unit: Unit) -> Report | None:
    """The report of an exercise whose forerunner has not passed; None when nothing blocks it."""
    entries = kept.read_progress()
    for earlier in exercise.after:
        if entries.get(earlier, kept.Entry()).outcome is not Outcome.PASS:
            return Report(
                exercise.id,
                exercise.title,
                Outcome.BLOCKED,
                message=f"This one builds on {earlier} ({unit.exercises[earlier].title}), which has not passed yet.",
            )
    return None


def student_cell(unit: Unit, exercise_id: str) -> str | None:
    """The cell of an exercise as students get it; None when the source is not there."""
    found = _source_cell(unit, exercise_id)
    return "\n".join(with_stubs(*found).lines) if found else None


def solution_text(unit: Unit, exercise_id: str) -> str:
    """The answer of an exercise.

    Raises:
        LabError: the unit's source is not there.
    """
    found = _source_cell(unit, exercise_id)
    if found is None:
        raise LabError(f"The source of {exercise_id} is not there.", "Get the whole lab again: git checkout course")
    cell, file = found
    region = next(region for region in regions(cell, file) if region.exercise_id == exercise_id)
    return "\n".join(region.solution).strip("\n")


def _source_cell(unit: Unit, exercise_id: str) -> tuple[Cell, str] | None:
    path = unit.folder / "exercises.py"
    try:
        cells = read_cells(path.read_text(encoding="utf-8"), path.name)
        for cell, region in all_regions(cells, path.name):
            if region.exercise_id == exercise_id:
                return cell, path.name
    except (OSError, UnicodeDecodeError, LabError):
        pass  # a checkout without sources can still check answers
    return None


def _next_step(report: Report, exercise: Exercise, unit: Unit, entry: kept.Entry) -> str:
    match report.outcome:
        case Outcome.PASS:
            following = next_exercise(unit, exercise.id)
            then = f"Next: {following.id} {following.title}." if following else _behind_the_last(unit)
            return f'{then} To compare: reveal("{exercise.id}")'
        case Outcome.FAIL | Outcome.ERROR:
            if entry.may_reveal:
                return f'Help: hint("{exercise.id}"), or see the solution: reveal("{exercise.id}")'
            left = kept.ATTEMPTS_TO_REVEAL - len(entry.attempts)
            return (
                f'Help: hint("{exercise.id}"). The solution opens after {left} more different answer{"s" * (left > 1)}.'
            )
        case Outcome.NOT_ATTEMPTED:
            return f'No idea how to begin? hint("{exercise.id}")'
    return ""


def _behind_the_last(unit: Unit) -> str:
    """Where to go when the last exercise of a unit has passed."""
    entries = kept.read_progress()
    still_open = [each for each in unit.exercises if entries.get(each, kept.Entry()).outcome is not Outcome.PASS]
    if still_open:
        return f"Still open in this unit: {', '.join(still_open)}."
    following = next((each for each in course_units() if each.number > unit.number), None)
    if following is None:
        return "This was the last exercise of the course."
    return f"This was the last exercise of unit {unit.number}. Next: the lesson `notebooks/{following.name}.ipynb`."


def next_exercise(unit: Unit, exercise_id: str) -> Exercise | None:
    """The one behind `exercise_id` in its unit."""
    ids = list(unit.exercises)
    place = ids.index(exercise_id) + 1
    return unit.exercises[ids[place]] if place < len(ids) else None


def hint(exercise_id: str, number: int | None = None) -> None:
    """Show the next hint, or hint `number` (from 1)."""
    try:
        found = find_exercise(exercise_id)
        shown = number if number is not None else kept.entry_of(exercise_id).hints + 1
        shown = max(1, min(int(shown), len(found.hints)))
        kept.record_hint(exercise_id, shown)
    except (LabError, OSError, ValueError, TypeError) as error:
        show(_error_card(exercise_id, error))
        return
    left = len(found.hints) - shown
    note = f'{left} more: hint("{exercise_id}")' if left else f'That was the last one. Then: reveal("{exercise_id}")'
    title = f"Hint {shown} of {len(found.hints)} for {exercise_id} {found.title}"
    show(Card(title, (*_mixed(found.hints[shown - 1]), ("soft", note)), attributes={"hint": exercise_id}))


def _mixed(text: str) -> list[tuple[str, str]]:
    """A hint: lines that are indented by four spaces are code."""
    parts: list[tuple[str, str]] = []
    for line in text.strip("\n").split("\n"):
        kind, content = ("code", line[4:]) if line.startswith("    ") else ("text", line)
        if parts and parts[-1][0] == kind == "code":
            parts[-1] = (kind, f"{parts[-1][1]}\n{content}")
        elif line.strip():
            parts.append((kind, content))
    return parts


def reveal(exercise_id: str, *, give_up: bool = False) -> None:
    """Show the solution: after a pass, after three different answers that did not pass, or with `give_up=True`."""
    try:
        found = find_exercise(exercise_id)
        entry = kept.entry_of(exercise_id)
        why = entry.may_reveal or ("gave up" if give_up else "")
        if not why:
            left = kept.ATTEMPTS_TO_REVEAL - len(entry.attempts)
            raise LabError(
                f"The solution of {exercise_id} opens when your answer passes, or after {left} more different answers.",
                f'hint("{exercise_id}") helps first. To see it now: reveal("{exercise_id}", give_up=True)',
            )
        solution = solution_text(find_unit(found.unit), exercise_id)
        kept.record_reveal(exercise_id, why)
    except (LabError, OSError, ValueError, TypeError) as error:
        show(_error_card(exercise_id, error))
        return
    lines = (("code", solution), ("soft", "One right answer; whatever the check accepts is as right."))
    show(Card(f"A solution of {exercise_id} {found.title}", lines, attributes={"reveal": exercise_id}))


def _error_card(exercise_id: object, error: Exception) -> Card:
    if isinstance(error, LabError):
        return Card(error.what, (("soft", error.repair),))
    if isinstance(error, OSError):
        return Card(f"Your progress cannot be read or written: {error}.", (("soft", "See: lab doctor"),))
    return Card(f"{exercise_id!r} is no exercise.", (("soft", "Ids look like 01.2."),))


def progress() -> None:
    """Show all exercises, what came of each, and which is next."""
    try:
        card = progress_card()
    except (LabError, OSError) as error:
        card = _error_card("", error)
    show(card)


def progress_card() -> Card:
    """The table of all exercises."""
    entries = kept.read_progress()
    rows = []
    following = None
    for unit in course_units():
        for found in unit.exercises.values():
            entry = entries.get(found.id, kept.Entry())
            if following is None and entry.outcome is not Outcome.PASS:
                following = found
            look = LOOKS[entry.outcome]
            rows.append(
                (
                    found.id,
                    found.title,
                    f"{look.mark} {look.words}",
                    str(len(entry.attempts)),
                    str(entry.hints),
                    entry.revealed,
                )
            )
    note = "All exercises have passed." if following is None else f"Next: {following.id} {following.title}."
    passed = sum(1 for row in rows if row[2].endswith(LOOKS[Outcome.PASS].words))
    title = f"{passed} of {len(rows)} exercises passed"
    return table_card(
        title, ("id", "exercise", "last check", "answers that failed", "hints seen", "solution opened"), rows, note
    )
