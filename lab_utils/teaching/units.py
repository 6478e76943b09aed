"""Find the units in `course/` and load what their `checks.py` declare."""

import dataclasses
import functools
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.settings import settings
from lab_utils.teaching.source import EXERCISE_ID, UNIT_NUMBER

Check = Callable[..., None]
SERVICES = ("kafka", "postgres")


@dataclasses.dataclass(frozen=True)
class Exercise:
    """What one exercise checks, and how it helps."""

    id: str
    title: str
    check: Check
    """Called with a `Trial` and the answers; returns when they are right, asserts when they are not."""
    hints: tuple[str, ...]
    """From a nudge to a skeleton."""
    needs: tuple[str, ...] = ()
    """Servers that must run: `kafka`, `postgres`."""
    after: tuple[str, ...] = ()
    """Exercises that must have passed before."""
    seconds: float = 30
    """How long the check may take; a student's loop that never ends is stopped then."""
    equivalent_mutants: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Mutants of the solution that behave like it: description → reason."""

    @property
    def unit(self) -> str:
        """The number of its unit."""
        return self.id.split(".")[0]


@dataclasses.dataclass(frozen=True)
class Unit:
    """One folder of `course/`."""

    number: str
    topic: str
    folder: Path
    title: str
    minutes: int
    exercises: Mapping[str, Exercise]

    @property
    def name(self) -> str:
        """As in the names of its notebooks: `01_kafka`."""
        return f"{self.number}_{self.topic}"


def exercise(
    exercise_id: str,
    title: str,
    *,
    hints: Sequence[str],
    needs: Sequence[str] = (),
    after: Sequence[str] = (),
    seconds: float = 30,
    equivalent_mutants: Mapping[str, str] | None = None,
) -> Callable[[Check], Exercise]:
    """Declare the decorated function as the check of an exercise.

    Raises:
        LabError: the declaration is not usable.
    """
    if not re.fullmatch(EXERCISE_ID, exercise_id):
        raise LabError(f"The exercise id {exercise_id!r} is none.", "Ids look like 01.2.")
    unknown = set(needs) - set(SERVICES)
    if unknown:
        raise LabError(f"{exercise_id} needs {', '.join(unknown)}.", f"There is: {', '.join(SERVICES)}.")

    def declare(check: Check) -> Exercise:
        return Exercise(
            exercise_id, title, check, tuple(hints), tuple(needs), tuple(after), seconds, dict(equivalent_mutants or {})
        )

    return declare


def find_units(course: Path) -> list[Unit]:
    """All units of a course, in order.

    Raises:
        LabError: two have one number, or a `checks.py` is not usable.
    """
    units = [load_unit(folder) for folder in sorted(course.glob("unit*_*")) if _is_unit(folder)]
    numbers = [unit.number for unit in units]
    for number in numbers:
        if numbers.count(number) > 1:
            raise LabError(f"Two units have the number {number}.", f"Rename one of the folders in {course}.")
    return units


def _is_unit(folder: Path) -> bool:
    return folder.is_dir() and re.fullmatch(rf"unit{UNIT_NUMBER}_.+", folder.name) is not None


@functools.cache
def load_unit(folder: Path) -> Unit:
    """The unit in `folder`, loaded once a process.

    Raises:
        LabError: its `checks.py` is missing or not usable.
    """
    path = folder / "checks.py"
    number, topic = folder.name.removeprefix("unit").split("_", 1)
    module = _load(path, f"course_{folder.name}_checks")
    declared = [value for value in vars(module).values() if isinstance(value, Exercise)]
    for found in declared:
        if found.unit != number:
            raise LabError(f"{path} declares {found.id}.", f"The ids of this unit begin with {number}.")
    exercises = {found.id: found for found in declared}
    if len(exercises) != len(declared):
        raise LabError(f"{path} declares an id twice.", "Give each exercise its own id.")
    for found in declared:
        for earlier in found.after:
            if earlier not in exercises or list(exercises).index(earlier) >= list(exercises).index(found.id):
                raise LabError(f"{path}: {found.id} is to come after {earlier}.", "Name an earlier one of this unit.")
    try:
        return Unit(number, topic, folder, str(module.TITLE), int(module.MINUTES), exercises)
    except AttributeError as error:
        raise LabError(f"{path} lacks TITLE or MINUTES ({error}).", "See docs/authoring.md.") from None


def _load(path: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise LabError(f"{path} is missing.", "A unit has lesson.py, exercises.py, checks.py and answers/.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and typing look their module up
    try:
        spec.loader.exec_module(module)
    except LabError:
        raise
    except Exception as error:
        raise LabError(f"{path} does not load: {type(error).__name__}: {error}.", "Correct that file.") from error
    return module


def course_units() -> list[Unit]:
    """The units of this lab."""
    return find_units(settings().course_dir)


def find_unit(number: str) -> Unit:
    """The unit `number` (`1` and `01` are the same, and `6a` and `06a`).

    Raises:
        LabError: there is none.
    """
    units = course_units()
    padded = re.sub(r"^([0-9])(?![0-9])", r"0\1", number)
    for unit in units:
        if unit.number == padded or unit.name == number:
            return unit
    raise LabError(f"There is no unit {number}.", f"There is: {', '.join(unit.name for unit in units) or 'none yet'}.")


def find_exercise(exercise_id: str) -> Exercise:
    """The exercise of that id.

    Raises:
        LabError: there is none.
    """
    unit = find_unit(str(exercise_id).split(".")[0])
    try:
        return unit.exercises[exercise_id]
    except KeyError:
        raise LabError(f"There is no exercise {exercise_id}.", f"There is: {', '.join(unit.exercises)}.") from None
