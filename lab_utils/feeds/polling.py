"""What the feeds that poll have in common: the rhythm, and which quotes are new."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic

from lab_utils.feeds.file_feed import Rejected
from lab_utils.ticks import InvalidTickError, Tick

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 4_102_444_799
"""2099-12-31T23:59:59Z."""


def poll(
    ask: Callable[[], Iterator[Tick | Rejected]], seconds: float, stopped: threading.Event
) -> Iterator[Tick | Rejected]:
    """What `ask` yields, again every `seconds`, until `stopped` is set.

    An answer that is there is yielded whole: the stop comes between two calls.
    """
    due = monotonic()
    while not stopped.is_set():
        yield from ask()
        due = max(due + seconds, monotonic())
        stopped.wait(due - monotonic())


def event_time(text: object, name: str, units_per_second: int = 1) -> datetime:
    """The time in `text`, a whole number of seconds since 1970 or of parts of them.

    Raises:
        InvalidTickError: it is none, or one after 2099.
    """
    digits = text if isinstance(text, str) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise InvalidTickError(f"event_time: {name} is not a whole number since 1970")
    if not 0 < int(digits) // units_per_second <= _LAST_SECOND:
        raise InvalidTickError(f"event_time: {name} is not between 1970 and 2099")
    return _EPOCH + timedelta(milliseconds=int(digits) * 1000 // units_per_second)


@dataclass
class Fresh:
    """Knows the newest quote of each symbol. A closed market repeats its last one at every poll."""

    _times: dict[str, datetime] = field(default_factory=dict)
    _rejected: dict[str, object] = field(default_factory=dict)

    def is_new(self, symbol: str, time: datetime) -> bool:
        """Whether this quote is younger than the last one that was a tick."""
        return symbol not in self._times or time > self._times[symbol]

    def accepted(self, symbol: str, time: datetime) -> None:
        """Remember a quote that became a tick. One that did not must not hide a good one of the same second."""
        self._times[symbol] = time

    def is_newly_rejected(self, symbol: str, quote: object) -> bool:
        """Whether this quote, which is no tick, differs from the last such one; it is remembered."""
        if self._rejected.get(symbol) == quote:
            return False
        self._rejected[symbol] = quote
        return True
