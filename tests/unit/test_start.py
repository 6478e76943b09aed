"""How long the end of a run is awaited."""

import itertools

import pytest

from lab_utils import start
from lab_utils.errors import LabError


def test_the_end_is_awaited_as_long_as_it_comes_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "PROGRESS_SECONDS", 0)
    stored = itertools.chain(range(5), itertools.repeat(5))
    asked: list[int] = []

    def progress() -> int:
        asked.append(next(stored))
        if asked[-1] == 2:
            raise LabError("PostgreSQL is not running.", "Start it with: lab up")
        return asked[-1]

    start._await_end(lambda: False, progress, 0.8)
    assert max(asked) == 5 and asked.count(5) < 10


def test_what_is_over_is_not_awaited() -> None:
    start._await_end(lambda: True, lambda: pytest.fail("nobody needs to know"), 60)
