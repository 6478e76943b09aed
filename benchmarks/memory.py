"""Whether memory stays flat: a soak at a steady rate, with the resident memory of each process over time."""

import dataclasses
import statistics
import threading
import time
from collections.abc import Callable

import psutil

from benchmarks import stack
from benchmarks.child import await_rows, running
from benchmarks.traffic import send_steadily
from lab_utils.servers import kafka_server, postgres_server, processes

SAMPLE_SECONDS = 5
WARM_UP_SECONDS = 60
"""Left out of the slope: JVM and buffers fill up at first."""


@dataclasses.dataclass(frozen=True)
class Memory:
    """Resident megabytes of one process (with its children) over time."""

    process: str
    seconds: list[float]
    megabytes: list[float]

    @property
    def slope(self) -> float:
        """Megabytes a minute after the warm-up."""
        late = [(at, used) for at, used in zip(self.seconds, self.megabytes, strict=True) if at >= WARM_UP_SECONDS]
        if len(late) < 2:
            return float("nan")
        return statistics.linear_regression([at / 60 for at, _ in late], [used for _, used in late]).slope


def measure(rate: int, seconds: float, say: Callable[[str], None]) -> list[Memory]:
    """Sample while `rate` ticks a second flow through `lab stream`."""
    stack.empty_topics()
    found: dict[str, Memory] = {}
    with running("stream") as stream:
        send_steadily(100, 1, "first")
        await_rows("first", 1)
        sender = threading.Thread(target=send_steadily, args=(rate, seconds, "soak"))
        begin = time.monotonic()
        sender.start()
        while sender.is_alive():
            sender.join(SAMPLE_SECONDS)
            at = time.monotonic() - begin
            for name, process in _processes(stream).items():
                series = found.setdefault(name, Memory(name, [], []))
                series.seconds.append(round(at, 1))
                series.megabytes.append(round(processes.resident_bytes(process) / 1e6, 1))
            say(f"{at:5.0f} s: " + ", ".join(f"{name} {series.megabytes[-1]:.0f} MB" for name, series in found.items()))
        await_rows("soak", int(rate * seconds * 0.98))
    return list(found.values())


def _processes(stream: psutil.Process) -> dict[str, psutil.Process]:
    known = {"lab stream": stream, "Kafka": kafka_server.process(), "PostgreSQL": postgres_server.process()}
    return {name: process for name, process in known.items() if process is not None}
