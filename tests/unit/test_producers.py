"""What a producer counts and what the command line asks of it; no broker."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kafka.errors import KafkaTimeoutError

from lab_utils import cli
from lab_utils.errors import LabError
from lab_utils.producers import delivery as producers_delivery
from lab_utils.producers.delivery import Delivery


def test_acknowledged_records_are_counted_and_the_rejected_among_them() -> None:
    delivery = Delivery()
    delivery.sent = 3
    delivery.succeeded(None, rejected=False)
    delivery.succeeded(None, rejected=True)
    assert delivery.as_dict() == {"acknowledged": 2, "rejected": 1, "undelivered": 1}


def test_the_first_error_is_kept() -> None:
    delivery = Delivery()
    for text in ("no leader", "too late"):
        delivery.failed_with(TimeoutError(text))
    assert (delivery.failed, delivery.first_error) == (2, "TimeoutError: no leader")


def test_a_record_without_an_answer_is_undelivered() -> None:
    delivery = Delivery()
    delivery.sent = 1
    assert (delivery.failed, delivery.undelivered) == (0, 1)


def test_no_acknowledgement_is_lost_between_threads() -> None:
    delivery = Delivery()

    def acknowledge() -> None:
        for _ in range(2000):
            delivery.succeeded(None, rejected=True)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(acknowledge)
    assert (delivery.acknowledged, delivery.rejected) == (16_000, 16_000)


def test_a_broker_that_is_away_is_told_once_and_once_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(producers_delivery, "AWAY_SECONDS", 0)
    delivery = Delivery()
    delivery.look()
    numbers = [delivery.hold(10), delivery.hold(10)]
    for _ in range(3):
        delivery.look()
    for number in numbers:
        delivery.succeeded(None, rejected=False, number=number)
    delivery.look()
    assert [record.getMessage().split()[0] for record in caplog.records] == ["event=broker_away", "event=broker_back"]


def test_a_broker_that_answers_in_time_is_not_called_away(caplog: pytest.LogCaptureFixture) -> None:
    delivery = Delivery()
    delivery.hold(10)
    delivery.look()
    assert not caplog.records


def test_a_full_buffer_waits_for_an_answer_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    delivery = Delivery()
    number = delivery.hold(100)
    answer = threading.Timer(0.2, delivery.succeeded, [None], {"rejected": False, "number": number})
    answer.start()
    delivery.await_room(100, None)
    assert (delivery.held_bytes, delivery.acknowledged) == (0, 1)
    told = [record.getMessage().split()[0] for record in caplog.records]
    assert told == ["event=buffer_full", "event=buffer_has_room"]


def test_a_full_buffer_does_not_hold_up_the_end() -> None:
    delivery = Delivery()
    delivery.hold(100)
    stopped = threading.Event()
    stopped.set()
    delivery.await_room(100, stopped)
    assert delivery.undelivered == 1


def test_a_record_that_was_given_up_makes_room() -> None:
    delivery = Delivery()
    delivery.failed_with(TimeoutError("too late"), number=delivery.hold(100))
    assert (delivery.held_bytes, delivery.undelivered, delivery.failed) == (0, 1, 1)


@pytest.mark.parametrize(("text", "speed"), [("1", 1.0), ("0.5", 0.5), ("60", 60.0), ("1e3", 1000.0), ("max", None)])
def test_a_speed_is_a_number_or_max(text: str, speed: float | None) -> None:
    assert cli._speed(text) == speed


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "MAX", "1,5"])
def test_any_other_speed_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="is not usable"):
        cli._speed(text)


def test_a_feed_is_a_file() -> None:
    assert cli._feed_path("file:some/ticks.csv") == Path("some/ticks.csv")


def test_a_path_with_a_colon_stays_whole() -> None:
    assert cli._feed_path("file:C:/ticks.csv") == Path("C:/ticks.csv")


@pytest.mark.parametrize("feed", ["", "ticks.csv", "file:", "live:crypto"])
def test_any_other_feed_is_refused(feed: str) -> None:
    with pytest.raises(LabError, match="is unknown"):
        cli._feed_path(feed)


class SlowProducer:
    """Has a record acknowledged at each flush, and never all in time, until some are left that nobody takes."""

    def __init__(self, delivery: Delivery, taken: int) -> None:
        self._delivery, self._left = delivery, taken

    def flush(self, timeout: float) -> None:
        if self._left:
            self._left -= 1
            self._delivery.succeeded(None, rejected=False)
        raise KafkaTimeoutError(f"not all in {timeout} s")

    def close(self, timeout: float) -> None:
        raise KafkaTimeoutError(f"not all in {timeout} s")


def test_what_is_left_at_the_end_is_awaited_as_long_as_the_broker_takes_some() -> None:
    delivery = Delivery()
    delivery.sent = 8
    producers_delivery._finish(SlowProducer(delivery, 5), delivery)
    assert (delivery.acknowledged, delivery.undelivered) == (5, 3)
