"""Wait for a condition with a deadline, and say what was seen when it did not come."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class WaitTimeout(Exception):
    """A condition did not become true in time; the text says what was awaited and what was seen instead."""


def wait_until(
    condition: Callable[[], T],
    seconds: float,
    what: str,
    *,
    every: float = 0.05,
    seen: Callable[[], object] | None = None,
) -> T:
    """Call `condition` until its result is truthy, and return that result.

    Args:
        condition: called at least once, also when `seconds` is 0.
        seconds: how long to go on asking.
        what: names the awaited state, as in "Kafka to accept clients".
        every: seconds between two calls.
        seen: describes the state at the deadline; without it the last result is shown.

    Raises:
        WaitTimeout: `seconds` have passed.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() >= deadline:
            state = seen() if seen else result
            raise WaitTimeout(f"waited {seconds:g} s for {what}; saw {state!r}")
        time.sleep(every)
    return result
