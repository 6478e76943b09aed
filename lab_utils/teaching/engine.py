"""Judge one answer: run the check of an exercise and turn what happens into a report. Shows nothing, keeps nothing."""

import contextvars
import ctypes
import dataclasses
import os
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable

from lab_utils.errors import LabError
from lab_utils.settings import ROOT, settings
from lab_utils.teaching import services
from lab_utils.teaching.fingerprint import is_untouched
from lab_utils.teaching.outcomes import AnswerError, NotAttempted, Outcome, Report
from lab_utils.teaching.trial import Trial
from lab_utils.teaching.units import Exercise
from lab_utils.waiting import WaitTimeout

TICK_SECONDS = 0.02
STOP_SECONDS = 3.0

OnWait = Callable[[str, float], None]
"""Told, again and again, what is waited for and how many seconds are left."""


class _TimeIsUp(BaseException):
    """Raised inside a check's thread to end it; no `except Exception` of a student catches it."""


@dataclasses.dataclass
class _Ending:
    """How the check's thread ended."""

    error: BaseException | None = None
    done: bool = False


def evaluate(
    exercise: Exercise,
    answers: tuple[object, ...],
    *,
    stub: str | None = None,
    seconds: float | None = None,
    on_wait: OnWait | None = None,
) -> Report:
    """Check answers.

    Args:
        exercise: the declaration.
        answers: what the student passed.
        stub: the cell as it was handed out, to tell an untouched answer.
        seconds: another time limit than the exercise's own.
        on_wait: told what is waited for.

    Raises:
        LabError: this Python cannot check anything.
    """
    if not __debug__:
        raise LabError(
            "Python leaves out `assert` here, of which every check is made: a wrong answer would pass.",
            "Unset PYTHONOPTIMIZE, then start JupyterLab again.",
        )
    started = time.monotonic()
    blank = Report(exercise.id, exercise.title, Outcome.PASS)
    if not answers or is_untouched(answers, stub):
        return dataclasses.replace(blank, outcome=Outcome.NOT_ATTEMPTED, message=_NOT_ATTEMPTED)
    try:
        before = services.server_ids(exercise.needs)
    except LabError as error:
        return dataclasses.replace(blank, outcome=Outcome.ENVIRONMENT, message=error.what, repair=error.repair)
    trial = Trial(exercise.id)
    try:
        report = _judge(exercise, answers, trial, seconds or exercise.seconds, on_wait, blank)
    finally:
        trial.close()
    if report.outcome in {Outcome.FAIL, Outcome.ERROR}:
        report = _blame_the_servers(exercise, before, report)
    return dataclasses.replace(report, seconds=time.monotonic() - started)


_NOT_ATTEMPTED = "Nothing to check yet. Write your answer in the place of the `...` and run that cell; then run this one, the check, again."


def _judge(
    exercise: Exercise,
    answers: tuple[object, ...],
    trial: Trial,
    seconds: float,
    on_wait: OnWait | None,
    blank: Report,
) -> Report:
    ending = _run(exercise, answers, trial, seconds, on_wait)
    passed = tuple(stage for stage in dict.fromkeys(trial.passed) if stage != trial.current)
    report = dataclasses.replace(blank, stage=trial.current, passed_stages=passed)
    error = ending.error
    match error:
        case None:
            stages = (*passed, trial.current) if trial.current != "start" else passed
            return dataclasses.replace(report, stage="", passed_stages=stages)
        case NotAttempted():
            return dataclasses.replace(blank, outcome=Outcome.NOT_ATTEMPTED, message=_NOT_ATTEMPTED)
        case AnswerError():
            return dataclasses.replace(
                report,
                outcome=Outcome.ERROR,
                message=f"Your code raised {_one_line(error.cause)}",
                given=error.given,
                traceback=student_frames(error.cause),
            )
        case AssertionError():
            return dataclasses.replace(report, outcome=Outcome.FAIL, message=str(error) or "This does not hold.")
        case LabError():
            return dataclasses.replace(report, outcome=Outcome.ENVIRONMENT, message=error.what, repair=error.repair)
        case _TimeIsUp():
            return _overrun(report, seconds, in_answer=trial.in_answer)
    if _is_from_a_server(error):
        return dataclasses.replace(
            report,
            outcome=Outcome.ENVIRONMENT,
            message=f"The check could not be done: {_one_line(error)}",
            repair="See `lab status`, then run the cell again.",
        )
    return dataclasses.replace(
        report,
        outcome=Outcome.FAIL,
        message=f"The answer could not be examined ({_one_line(error)}). Is it of the kind that the task asks for?",
    )


def _run(
    exercise: Exercise, answers: tuple[object, ...], trial: Trial, seconds: float, on_wait: OnWait | None
) -> _Ending:
    """Run the check in a thread of its own, so that the countdown goes on and an endless loop can be ended."""
    ending = _Ending()

    def work() -> None:
        try:
            exercise.check(trial, *answers)
        except BaseException as error:
            ending.error = error
        finally:
            ending.done = True

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name=f"check-{exercise.id}", daemon=True)
    deadline = time.monotonic() + seconds
    thread.start()
    try:
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(TICK_SECONDS)
            if on_wait is not None and thread.is_alive():
                what, until = trial.waiting_for or ("the check to end", deadline)
                on_wait(what, max(0.0, until - time.monotonic()))
    except KeyboardInterrupt:
        _end(thread)
        raise
    if thread.is_alive() and not ending.done:
        in_answer = trial.in_answer
        _end(thread)
        trial.in_answer = in_answer
        return _Ending(_TimeIsUp())
    return ending


def _end(thread: threading.Thread) -> None:
    """Make a thread raise until it ends; one that sits in a system call is left behind, as a daemon."""
    deadline = time.monotonic() + STOP_SECONDS
    while thread.is_alive() and time.monotonic() < deadline:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_TimeIsUp))
        thread.join(0.1)


def _overrun(report: Report, seconds: float, *, in_answer: bool) -> Report:
    if in_answer:
        return dataclasses.replace(
            report,
            outcome=Outcome.FAIL,
            message=f"Your code did not return within {seconds:g} s. Does a loop wait for something that never comes?",
        )
    return dataclasses.replace(
        report,
        outcome=Outcome.ENVIRONMENT,
        message=f"The check did not end within {seconds:g} s.",
        repair="See `lab status` for what this machine is busy with, then run the cell again.",
    )


def _blame_the_servers(exercise: Exercise, before: dict[str, int], report: Report) -> Report:
    """A server that went away meanwhile explains any failure: then nothing is said against the answer."""
    try:
        after = services.server_ids(exercise.needs)
    except LabError as error:
        what, repair = f"{error.what} It was there when the check began.", error.repair
    else:
        if after == before:
            return report
        what, repair = "A server was started again while the check ran.", "Run the cell again."
    return dataclasses.replace(report, outcome=Outcome.ENVIRONMENT, message=what, repair=repair, given="", traceback="")


def _is_from_a_server(error: BaseException | None) -> bool:
    names = {base.__name__ for base in type(error).__mro__}
    return isinstance(error, WaitTimeout | OSError) or bool(
        names & {"KafkaError", "OperationalError", "Py4JNetworkError"}
    )


def _one_line(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def student_frames(error: BaseException) -> str:
    """The last lines of the student's own code on the way to an exception, innermost last; lines of others say nothing."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_students(frame.filename)]
    chosen = own[-2:]
    return "\n".join(f"line {frame.lineno}, in {frame.name}: {frame.line or ''}".rstrip(": ") for frame in chosen)


def _is_students(file: str) -> bool:
    """Whether a file is a cell or an answer: neither the lab's own code nor an installed package."""
    folders = (str(ROOT / "lab_utils"), str(settings().course_dir / "unit"), sysconfig.get_path("stdlib"))
    is_answer = f"{os.sep}answers{os.sep}" in file
    return is_answer or not (file.startswith(folders) or "site-packages" in file or file.startswith("<frozen"))
