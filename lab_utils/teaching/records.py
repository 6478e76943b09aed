"""What a student has done: `.lab/progress.json`, kept across kernels."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from lab_utils.servers.processes import write_private
from lab_utils.settings import settings
from lab_utils.teaching.outcomes import Outcome

ATTEMPTS_TO_REVEAL = 3
"""So many different answers that did not pass open the solution."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One exercise."""

    outcome: Outcome = Outcome.NOT_ATTEMPTED
    """Of the last check that said something about an answer."""
    ever_passed: bool = False
    attempts: tuple[str, ...] = ()
    """The fingerprint of each different answer that failed or raised."""
    hints: int = 0
    revealed: str = ""
    """`passed`, `attempts` or `gave up`: how the solution was opened; empty: it was not."""

    @property
    def may_reveal(self) -> str:
        """Why the solution is open; empty: it is not."""
        if self.ever_passed:
            return "passed"
        return "attempts" if len(self.attempts) >= ATTEMPTS_TO_REVEAL else ""


def progress_file() -> Path:
    """Where it is kept."""
    return settings().state_dir / "progress.json"


def read_progress() -> dict[str, Entry]:
    """Exercise id → entry. A damaged file counts as empty: it must never keep anybody from working."""
    try:
        stored = json.loads(progress_file().read_text())["exercises"]
        return {exercise_id: _entry(value) for exercise_id, value in stored.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _entry(stored: dict[str, Any]) -> Entry:
    return Entry(
        Outcome(stored["outcome"]),
        bool(stored["ever_passed"]),
        tuple(map(str, stored["attempts"])),
        int(stored["hints"]),
        str(stored["revealed"]),
    )


def entry_of(exercise_id: str) -> Entry:
    """The entry of one exercise."""
    return read_progress().get(exercise_id, Entry())


@contextmanager
def _changing(exercise_id: str) -> Iterator[list[Entry]]:
    """Hold the file while one entry is changed: two kernels may check at once."""
    settings().state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(settings().state_dir / "progress.lock", timeout=30):
        entries = read_progress()
        box = [entries.get(exercise_id, Entry())]
        yield box
        entries[exercise_id] = box[0]
        stored = {name: dataclasses.asdict(entry) for name, entry in sorted(entries.items())}
        write_private(progress_file(), json.dumps({"version": 1, "exercises": stored}, indent=2) + "\n")


def record_check(exercise_id: str, outcome: Outcome, answer: str) -> Entry:
    """Keep the outcome of a check.

    Args:
        exercise_id: which.
        outcome: what came of it. What says nothing about the answer (an environment, a blocked or untouched
            exercise) does not take back an earlier pass.
        answer: the fingerprint of the answer.
    """
    with _changing(exercise_id) as box:
        entry = box[0]
        if outcome in {Outcome.PASS, Outcome.FAIL, Outcome.ERROR} or entry.outcome not in {Outcome.PASS}:
            entry = dataclasses.replace(entry, outcome=outcome)
        if outcome is Outcome.PASS:
            entry = dataclasses.replace(entry, ever_passed=True)
        elif outcome in {Outcome.FAIL, Outcome.ERROR} and answer not in entry.attempts:
            entry = dataclasses.replace(entry, attempts=(*entry.attempts, answer))
        box[0] = entry
    return box[0]


def record_hint(exercise_id: str, number: int) -> Entry:
    """Keep that hint `number` (from 1) was shown."""
    with _changing(exercise_id) as box:
        box[0] = dataclasses.replace(box[0], hints=max(box[0].hints, number))
    return box[0]


def record_reveal(exercise_id: str, why: str) -> Entry:
    """Keep that the solution was shown, and by which right the first time."""
    with _changing(exercise_id) as box:
        box[0] = dataclasses.replace(box[0], revealed=box[0].revealed or why)
    return box[0]
