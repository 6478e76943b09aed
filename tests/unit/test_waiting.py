"""Waiting has a deadline, and says what it waited for."""

import time

import pytest

from lab_utils.waiting import WaitTimeout, wait_until


def test_the_result_of_the_condition_is_returned() -> None:
    assert wait_until(lambda: "ready", 1, "a word") == "ready"


def test_the_condition_is_asked_until_it_holds() -> None:
    answers = iter([0, "", None, 7])
    assert wait_until(lambda: next(answers), 10, "a number", every=0) == 7


def test_the_condition_is_asked_once_when_there_is_no_time() -> None:
    assert wait_until(lambda: True, 0, "nothing")


def test_a_missed_deadline_tells_what_was_awaited_and_seen() -> None:
    with pytest.raises(WaitTimeout, match=r"^waited 0 s for a train; saw \[\]$"):
        wait_until(list, 0, "a train")


def test_what_was_seen_can_be_described() -> None:
    with pytest.raises(WaitTimeout, match="saw 'only a bus'"):
        wait_until(lambda: False, 0, "a train", seen=lambda: "only a bus")


def test_an_error_of_the_condition_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 / 0, 10, "the impossible")


def test_it_gives_up_soon_after_the_deadline() -> None:
    began = time.monotonic()
    with pytest.raises(WaitTimeout):
        wait_until(lambda: False, 0.1, "nothing", every=0.01)
    assert 0.1 <= time.monotonic() - began < 10
