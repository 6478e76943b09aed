"""Ctrl-C and other requests to end as an event to look at, so that a loop can end between two records."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def _requests_to_end() -> list[int]:
    """SIGTERM, and what a terminal sends when it is closed, unless that is to be outlived (`nohup`)."""
    wanted: list[int] = [signal.SIGTERM]
    hangup: int | None = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        wanted.append(hangup)
    return wanted


class Stop(threading.Event):
    """Set by the first signal; `interrupted` tells Ctrl-C from a polite request to end."""

    interrupted = False


def end_on_sigterm_as_on_ctrl_c() -> None:
    """From now on a request to end raises KeyboardInterrupt, so that what a command has started is stopped before."""
    for number in _requests_to_end():
        signal.signal(number, signal.default_int_handler)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """The event of this block. A second Ctrl-C ends the program at once, as it would without this."""
    stop = Stop()

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and stop.is_set():
            raise KeyboardInterrupt
        stop.interrupted = stop.interrupted or number == signal.SIGINT
        stop.set()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, *_requests_to_end())}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
