"""Ctrl-C and SIGTERM as an event to look at, so that a loop can end between two records."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop(threading.Event):
    """Set by the first signal; `interrupted` tells Ctrl-C from a polite request to end."""

    interrupted = False


def end_on_sigterm_as_on_ctrl_c() -> None:
    """From now on SIGTERM raises KeyboardInterrupt, so that what a command has started is stopped before it ends."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """The event of this block. A second Ctrl-C ends the program at once, as it would without this."""
    stop = Stop()

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and stop.is_set():
            raise KeyboardInterrupt
        stop.interrupted = stop.interrupted or number == signal.SIGINT
        stop.set()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
