"""How long a person waits: for the servers, and from `lab stream` to the first row."""

import dataclasses
import statistics
import time
from collections.abc import Callable

from benchmarks import stack
from benchmarks.child import await_rows, running
from benchmarks.traffic import send_steadily
from lab_utils import stack as servers


@dataclasses.dataclass(frozen=True)
class Startup:
    """Seconds that one step took, in each round."""

    step: str
    seconds: list[float]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.seconds)


def measure(rounds: int, say: Callable[[str], None]) -> list[Startup]:
    """Each step `rounds` times."""
    found = {"servers, with their data": _restart_servers, "lab stream, to the first row": _first_row}
    results = []
    for step, run in found.items():
        seconds = []
        for number in range(rounds):
            seconds.append(round(run(number), 2))
            say(f"{step}: {seconds[-1]} s")
        results.append(Startup(step, seconds))
    return results


def _restart_servers(_number: int) -> float:
    servers.down()
    begin = time.perf_counter()
    servers.up()
    return time.perf_counter() - begin


def _first_row(number: int) -> float:
    stack.empty_tables()
    source = f"start-{number}"
    count = send_steadily(100, 1, source)
    begin = time.perf_counter()
    with running("stream"):
        await_rows(source, count)
        return time.perf_counter() - begin
