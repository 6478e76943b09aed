"""One check at work: stages, calls of the student's code, and what is cleaned up afterwards."""

import contextlib
import functools
import reprlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lab_utils.errors import LabError
from lab_utils.teaching.outcomes import AnswerError, NotAttempted

T = TypeVar("T")

_SHORT = reprlib.Repr()
_SHORT.maxstring, _SHORT.maxother, _SHORT.maxlevel = 120, 160, 4
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = 6
_SHORT.maxdict = 8


def short(value: object) -> str:
    """A value as a message shows it: whole when it is small."""
    try:
        return _SHORT.repr(value)
    except Exception as error:  # the student's own __repr__ may raise
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


class Trial:
    """What a check is given: it names the stage it is at, and calls the answer through this object.

    A check is ordinary code with asserts. The text of the first assert that does not hold is what the student reads.
    """

    def __init__(self, exercise_id: str) -> None:
        self.exercise_id = exercise_id
        self.current = "start"
        self.passed: list[str] = []
        self.in_answer = False
        self.waiting_for: tuple[str, float] | None = None
        """What the check waits for and until when (monotonic), for the countdown."""
        self._cleanup = contextlib.ExitStack()

    def stage(self, name: str) -> None:
        """Say what is looked at from here on."""
        if self.current != "start":
            self.passed.append(self.current)
        self.current = name

    def call(self, function: Callable[..., T], *arguments: Any, given: str | None = None, **named: Any) -> T:
        """Call the student's function; its exceptions are told apart from those of the check.

        Args:
            function: the answer.
            *arguments: for it.
            given: how to show the arguments if it raises; default: their repr, clients left out.
            **named: for it.

        Raises:
            AnswerError: it raised.
            NotAttempted: it returned the `...` of a stub.
        """
        self.in_answer = True
        try:
            result = function(*arguments, **named)
        except LabError:
            raise  # the lab's own words about the environment
        except (Exception, SystemExit) as error:
            text = given if given is not None else _shown_arguments(function, arguments, named)
            raise AnswerError(error, text) from error
        finally:
            self.in_answer = False
        if result is ...:
            raise NotAttempted
        return result

    def is_callable(self, answer: object, name: str) -> None:
        """The stage that most checks begin with."""
        self.stage("is a function")
        assert callable(answer), (
            f"`{name}` is {short(answer)}, not a function. Pass the function itself, without calling it: "
            f'check("{self.exercise_id}", {name}).'
        )

    def name(self, word: str) -> str:
        """A name for a topic or group that no other check uses; topics of that name are deleted at the end."""
        made = f"check.{self.exercise_id}.{word}.{secrets.token_hex(4)}"
        self.finally_do(functools.partial(_delete_topic, made))
        return made

    def folder(self) -> Path:
        """An empty folder, removed at the end."""
        from lab_utils.settings import settings

        parent = settings().state_dir / "tmp"
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = Path(tempfile.mkdtemp(prefix="check-", dir=parent))
        self.finally_do(lambda: shutil.rmtree(made, ignore_errors=True))
        return made

    def finally_do(self, action: Callable[[], object]) -> None:
        """Do this when the check has ended, whatever came of it."""
        self._cleanup.callback(action)

    @functools.cached_property
    def broker(self) -> Any:
        """What the broker says (`probes.Broker`)."""
        from lab_utils.teaching.probes import Broker

        broker = Broker()
        self.finally_do(broker.close)
        return broker

    @functools.cached_property
    def tables(self) -> Any:
        """What the tables hold (`probes.Tables`)."""
        from lab_utils.teaching.probes import Tables

        return Tables()

    @functools.cached_property
    def spark(self) -> Any:
        """The Spark session of the lab; queries that were started meanwhile are stopped at the end."""
        from lab_utils.streaming.session import get_spark

        spark = get_spark()
        before = {query.id for query in spark.streams.active}
        self.finally_do(lambda: _stop_queries(spark, before))
        return spark

    def schema(self) -> Any:
        """A schema of this check's own with the lab's tables (`schemas.Schema`), dropped at the end."""
        from lab_utils.teaching.schemas import Schema

        schema = Schema()
        self.finally_do(schema.close)
        return schema

    def wait_for(self, condition: Callable[[], T], seconds: float, what: str, repair: str) -> T:
        """Wait with a countdown for something the environment must bring, such as rows in a table.

        Raises:
            LabError: it did not come; that is no fault of the answer.
        """
        if result := self.comes(condition, seconds, what):
            return result
        raise LabError(f"Waited {seconds:g} s for {what}; it did not come.", repair)

    def comes(self, condition: Callable[[], T], seconds: float, what: str) -> T | None:
        """Wait with a countdown for something the answer must bring; None when it did not come in time."""
        deadline = time.monotonic() + seconds
        self.waiting_for = (what, deadline)
        try:
            while not (result := condition()):
                if time.monotonic() >= deadline:
                    return None
                time.sleep(0.05)
            return result
        finally:
            self.waiting_for = None

    def close(self) -> None:
        """Remove what the check made. A server that is gone by now is no reason to fail."""
        with contextlib.suppress(Exception):
            self._cleanup.close()


def _shown_arguments(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    shown = [_shown(value) for value in arguments] + [f"{name}={_shown(value)}" for name, value in named.items()]
    return f"{getattr(function, '__name__', 'your function')}({', '.join(shown)})"


def _shown(value: object) -> str:
    """Clients and sessions by the name of their class: their repr says nothing to a reader."""
    plain = type(value).__module__ in {"builtins", "decimal", "datetime", "pathlib"}
    return short(value) if plain else f"<{type(value).__name__}>"


def _stop_queries(spark: Any, kept: set[str]) -> None:
    for query in spark.streams.active:
        if query.id not in kept:
            with contextlib.suppress(Exception):
                query.stop()


def _delete_topic(topic: str) -> None:
    from lab_utils import kafka_utils

    with contextlib.suppress(Exception), kafka_utils.admin() as admin:
        if topic in admin.list_topics():
            admin.delete_topics([topic])
