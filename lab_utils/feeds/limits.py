"""Token buckets, which keep a client under the limits that an API documents."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

_SHARE_AT_ONCE = 0.1
"""How much of a limit may be spent in one go."""


@dataclass(frozen=True)
class Limit:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float


class TokenBucket:
    """Tokens that come at a steady rate; a call takes one.

    The bucket holds a tenth of the limit and is refilled with the rest over its period. So no period of that
    length, wherever it begins, sees more calls than the limit: a full bucket and all that flows in meanwhile.
    """

    def __init__(self, limit: Limit, clock: Callable[[], float] = monotonic) -> None:
        self.capacity = max(1.0, limit.calls * _SHARE_AT_ONCE)
        self.rate = max(limit.calls - self.capacity, 0.5) / limit.seconds
        self._clock = clock
        self._tokens = self.capacity
        self._filled_at = clock()

    def seconds_until_next(self) -> float:
        """How long until there is a token; 0 when there is one now."""
        now = self._clock()
        self._tokens = min(self.capacity, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        return 0.0 if self._tokens >= 1 - 1e-9 else (1 - self._tokens) / self.rate

    def take(self) -> None:
        """Spend a token; ask `seconds_until_next` first."""
        self._tokens -= 1


def await_turn(buckets: list[TokenBucket], stopped: threading.Event) -> bool:
    """Wait until each bucket has a token and take one of each; False when `stopped` came first."""
    while (seconds := max((bucket.seconds_until_next() for bucket in buckets), default=0.0)) > 0:
        if stopped.wait(seconds):
            return False
    for bucket in buckets:
        bucket.take()
    return not stopped.is_set()
