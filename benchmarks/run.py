"""The benchmarks as `lab bench` runs them: measure, then make a report and a picture of it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import cluster, latency, memory, report, sink, startup
from benchmarks.report import Report
from lab_utils.errors import LabError
from lab_utils.scratch import KEPT, own_stack
from lab_utils.settings import settings

Say = Callable[[str], None]
STATE = "bench"
"""The folder below `.lab` in which the benchmarks work."""


def bench_sink(ticks: int, rounds: int, only: Sequence[str], say: Say, *, growth: bool) -> Report:
    """Rows per second of the sink and of what it is compared with, or of the variants in `only`.

    Raises:
        LabError: there is no such variant.
    """
    known = [variant.key for variant in sink.VARIANTS]
    for key in only:
        if key not in known:
            raise LabError(f"There is no variant {key}.", f"Choose from: {', '.join(known)}")
    with own_stack(STATE) as folder:
        rates = sink.measure(ticks, rounds, only or known, say)
        medians = {rate.key: rate.median for rate in rates}
        notes = [
            f"{one} = {medians[one] / medians[other]:.2f} of {other}"
            for one, other in (("b", "a"), ("c", "b"), ("c", "d"), ("c", "e"), ("c", "f"))
            if one in medians and other in medians
        ]
        if growth:
            empty, grown = sink.measure_growth(rounds, say)
            rates += [empty, grown]
            notes.append(f"{grown.key} = {grown.median / empty.median:.2f} of {empty.key}")
        rows = [
            (
                rate.key,
                rate.says,
                f"{rate.median:,.0f}",
                f"{min(rate.rows_per_second):,} to {max(rate.rows_per_second):,}",
            )
            for rate in rates
        ]
        chosen = "".join(f""" --only {f'"{key}"' if "'" in key else key}""" for key in only)
        made = Report(
            "sink",
            f"lab bench sink --ticks {ticks} --rounds {rounds}{chosen}{' --growth' * growth}",
            ("", "what", "rows/s, median", "of the rounds"),
            rows,
            [dataclasses.asdict(rate) for rate in rates],
            ("Ratios of the medians: " + "; ".join(notes) + ".",),
        )

        def draw(axes: Any) -> None:
            axes.barh([f"{rate.key}  {rate.says}" for rate in rates][::-1], [rate.median for rate in rates][::-1])
            axes.set_xlabel("rows per second")

        report.save(made, folder, draw)
    return made


def bench_latency(rates: Sequence[int], seconds: float, say: Say) -> Report:
    """From sending to visible."""
    with own_stack(STATE) as folder:
        found = latency.measure(rates, seconds, say)
        made = Report(
            "latency",
            f"lab bench latency --seconds {seconds:g} {' '.join(f'--rate {rate}' for rate in rates)}",
            ("path", "messages/s", "messages", "p50 ms", "p99 ms", "max ms"),
            [
                (one.path, f"{one.rate:,}", f"{one.messages:,}", f"{one.p50:,}", f"{one.p99:,}", f"{one.worst:,}")
                for one in found
            ],
            [dataclasses.asdict(one) for one in found],
        )

        def draw(axes: Any) -> None:
            for path in dict.fromkeys(one.path for one in found):
                of_path = [one for one in found if one.path == path]
                axes.plot([one.rate for one in of_path], [one.p50 for one in of_path], marker="o", label=f"{path}, p50")
            axes.set(xscale="log", yscale="log", xlabel="messages per second", ylabel="milliseconds")
            axes.legend()

        report.save(made, folder, draw)
    return made


def bench_cluster(ticks: int, rounds: int, partitions: Sequence[int], say: Say) -> Report:
    """Rows per second of the sink on a cluster beside the embedded lab."""
    found = cluster.measure(ticks, rounds, partitions, say)
    medians = {(one.profile, one.partitions): one.median for one in found}
    made = Report(
        "cluster",
        f"lab bench cluster --ticks {ticks} --rounds {rounds}"
        f"{''.join(f' --partitions {count}' for count in partitions)}",
        ("partitions", "embedded, rows/s", "cluster, rows/s", "cluster / embedded", "of the rounds"),
        [
            (
                str(count),
                f"{medians['embedded', count]:,.0f}",
                f"{medians['cluster', count]:,.0f}",
                f"{medians['cluster', count] / medians['embedded', count]:.2f}",
                "; ".join(
                    f"{min(one.rows_per_second):,} to {max(one.rows_per_second):,}"
                    for one in found
                    if one.partitions == count
                ),
            )
            for count in partitions
        ],
        [dataclasses.asdict(one) for one in found],
    )

    def draw(axes: Any) -> None:
        for profile in cluster.PROFILES:
            of_profile = [one for one in found if one.profile == profile]
            axes.plot(
                [one.partitions for one in of_profile], [one.median for one in of_profile], marker="o", label=profile
            )
        axes.set(xlabel="partitions", ylabel="rows per second", ylim=0)
        axes.legend()

    folder = settings().state_dir / STATE / KEPT
    folder.mkdir(parents=True, exist_ok=True)
    report.save(made, folder, draw)
    return made


def bench_startup(rounds: int, say: Say) -> Report:
    """Seconds until things are there."""
    with own_stack(STATE) as folder:
        found = startup.measure(rounds, say)
        made = Report(
            "startup",
            f"lab bench startup --rounds {rounds}",
            ("step", "seconds, median", "of the rounds"),
            [(one.step, f"{one.median:.1f}", ", ".join(f"{value:.1f}" for value in one.seconds)) for one in found],
            [dataclasses.asdict(one) for one in found],
        )
        report.save(made, folder, lambda axes: axes.barh([one.step for one in found], [one.median for one in found]))
    return made


def bench_memory(rate: int, seconds: float, say: Say) -> Report:
    """Resident memory over time."""
    with own_stack(STATE) as folder:
        found = memory.measure(rate, seconds, say)
        made = Report(
            "memory",
            f"lab bench memory --rate {rate} --seconds {seconds:g}",
            ("process", "MB at the end", "MB at most", "slope, MB a minute"),
            [
                (one.process, f"{one.megabytes[-1]:.0f}", f"{max(one.megabytes):.0f}", f"{one.slope:+.2f}")
                for one in found
            ],
            [dataclasses.asdict(one) for one in found],
            (f"The slope is that of a straight line through the samples after {memory.WARM_UP_SECONDS} s.",),
        )

        def draw(axes: Any) -> None:
            for one in found:
                axes.plot(one.seconds, one.megabytes, label=one.process)
            axes.set(xlabel="seconds", ylabel="resident MB", ylim=0)
            axes.legend()

        report.save(made, folder, draw)
    return made
