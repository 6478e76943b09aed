"""What a check can come to, and the report of one check."""

import dataclasses
import enum


class Outcome(enum.StrEnum):
    """The six results of a check."""

    PASS = "PASS"
    FAIL = "FAIL"
    """The answer ran and is not right."""
    ERROR = "ERROR"
    """The answer itself raised an exception."""
    NOT_ATTEMPTED = "NOT_ATTEMPTED"
    """Nothing was changed yet."""
    BLOCKED = "BLOCKED"
    """An earlier exercise that this one builds on has not passed."""
    ENVIRONMENT = "ENVIRONMENT"
    """Nothing can be said about the answer: a server is down, a topic is missing, rows did not come."""


@dataclasses.dataclass(frozen=True)
class Report:
    """One check: what came of it and what to do next."""

    exercise_id: str
    title: str
    outcome: Outcome
    message: str = ""
    """One or two sentences: what was seen and which property it breaks; never the expected answer."""
    stage: str = ""
    """What was being looked at when it ended."""
    passed_stages: tuple[str, ...] = ()
    given: str = ""
    """The input that the student's code was given when it raised."""
    traceback: str = ""
    """The last lines of the student's own code that raised."""
    repair: str = ""
    """The command that mends the environment."""
    next_step: str = ""
    seconds: float = 0.0


class CheckFailed(Exception):
    """A check did not pass under `LAB_STRICT=1`, where checks raise instead of only showing a card."""


class NotAttempted(Exception):
    """The answer is still the stub."""


class AnswerError(Exception):
    """The student's code raised `cause` on `given`."""

    def __init__(self, cause: BaseException, given: str) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause
        self.given = given
