"""A token bucket keeps a client under a documented limit, in every period, wherever it begins."""

import threading

import pytest

from lab_utils.feeds import cryptocompare, finnhub
from lab_utils.feeds.limits import Limit, TokenBucket, await_turn


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def greedy_calls(limit: Limit, seconds: float) -> list[float]:
    """When a client that always wants to call may do so."""
    clock = Clock()
    bucket = TokenBucket(limit, clock)
    calls = []
    while clock.now < 1000 + seconds:
        if (wait := bucket.seconds_until_next()) > 0:
            clock.now += wait
            continue
        bucket.take()
        calls.append(clock.now)
    return calls


@pytest.mark.parametrize("limit", [*finnhub.LIMITS, *cryptocompare.LIMITS, Limit(1, 1), Limit(5, 2)], ids=str)
def test_no_period_sees_more_calls_than_the_limit(limit: Limit) -> None:
    calls = greedy_calls(limit, 3 * limit.seconds)
    assert len(calls) > limit.calls
    for first, one_too_many in zip(calls, calls[limit.calls :], strict=False):
        assert one_too_many - first >= limit.seconds * (1 - 1e-9)


@pytest.mark.parametrize("limit", [*finnhub.LIMITS, *cryptocompare.LIMITS], ids=str)
def test_most_of_the_limit_can_be_used(limit: Limit) -> None:
    assert len(greedy_calls(limit, 10 * limit.seconds)) > 10 * limit.calls * 0.85


def test_a_pause_fills_the_bucket_and_no_more() -> None:
    clock = Clock()
    bucket = TokenBucket(Limit(60, 60), clock)
    clock.now += 3600
    taken = 0
    while bucket.seconds_until_next() == 0:
        bucket.take()
        taken += 1
    assert taken == 6


def test_waiting_for_a_turn_ends_when_stopped() -> None:
    bucket = TokenBucket(Limit(1, 3600))
    bucket.take()
    stopped = threading.Event()
    stopped.set()
    assert not await_turn([bucket], stopped)
