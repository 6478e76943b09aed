"""What the way through a cluster costs, by partitions: the same ticks through an embedded lab and through a cluster.

Each of the two labs is a process of its own with servers of its own, which does what it is told through a pipe. So they
take turns on one machine, and whatever else it does meets both alike. Compare ratios, not rates.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from benchmarks import sink, stack
from benchmarks.load import load_ticks
from lab_utils.errors import LabError
from lab_utils.scratch import own_stack
from lab_utils.servers import processes, spark_server
from lab_utils.servers.profiles import Profile
from lab_utils.settings import ROOT, settings
from lab_utils.streaming.session import get_spark

PROFILES = (Profile.embedded, Profile.cluster)
END_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Point:
    """Rows per second of the lab's sink, one figure a round."""

    profile: str
    partitions: int
    rows_per_second: list[int]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.rows_per_second)


def measure(ticks: int, rounds: int, partitions: Sequence[int], say: Callable[[str], None]) -> list[Point]:
    """Both labs in turns, for each number of partitions; the first round of each is not counted.

    Raises:
        LabError: one of the labs did not start, or ended.
    """
    found = []
    with ExitStack() as opened:
        labs = {profile: opened.enter_context(_lab(profile)) for profile in PROFILES}
        run = 0
        for count in partitions:
            held = {profile: lab(order="fill", ticks=ticks, partitions=count) for profile, lab in labs.items()}
            rates: dict[Profile, list[int]] = {profile: [] for profile in PROFILES}
            for number in range(rounds + 1):
                run += 1
                for profile, lab in labs.items():
                    rate = lab(order="run", ticks=held[profile], run=run)
                    say(f"{count} partitions, round {number or 'for warming up'}, {profile}: {rate:,} rows/s")
                    if number:
                        rates[profile].append(rate)
            found += [Point(profile, count, rates[profile]) for profile in PROFILES]
    return found


Order = Callable[..., int]


@contextmanager
def _lab(profile: Profile) -> Iterator[Order]:
    """A lab of that profile, which takes orders until the end of the block."""
    log = settings().logs_dir / f"bench_{profile}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.cluster", profile],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert child.stdin is not None and child.stdout is not None

    def give(**order: Any) -> int:
        try:
            print(json.dumps(order), file=child.stdin, flush=True)
        except BrokenPipeError:
            answer = ""
        else:
            answer = child.stdout.readline() if child.stdout is not None else ""
        if not answer:
            reason = processes.last_lines(log, ("Error", "Exception"), 1) or "it gave no reason"
            raise LabError(f"The lab of the profile {profile} ended: {reason}", f"More is at the end of {log}.")
        return int(answer)

    try:
        yield give
    finally:
        with suppress(BrokenPipeError):  # an order that it did not live to read
            child.stdin.close()  # at this it stops its servers
        child.wait(END_SECONDS)


def _obey(profile: Profile) -> None:
    """Do what the lines of standard input say, and answer each with one number."""
    variant = next(variant for variant in sink.VARIANTS if variant.key == "c")
    with own_stack(f"bench-{profile}", profile):
        spark = get_spark("bench", **spark_server.session_settings())
        try:
            for line in sys.stdin:
                order: Mapping[str, Any] = json.loads(line)
                if order["order"] == "fill":
                    stack.empty_topics(order["partitions"])
                    print(load_ticks(spark, order["ticks"], order["partitions"]), flush=True)
                else:
                    print(sink.rate_of(spark, variant, order["run"], order["ticks"]), flush=True)
        finally:
            spark.stop()


if __name__ == "__main__":
    try:
        _obey(Profile(sys.argv[1]))
    except LabError as error:
        sys.exit(f"Error: {error}")
