"""The benchmarks as `lab bench` runs them: measure, then make a report and a picture of it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import latency, memory, report, sink, startup
from benchmarks.report import Report
from lab_utils.scratch import own_stack

Say = Callable[[str], None]
STATE = "bench"
"""The folder below `.lab` in which the benchmarks work."""


def bench_sink(ticks: int, rounds: int, keys: Sequence[str], say: Say, *, growth: bool) -> Report:
    """Rows per second of the sink and of what it is compared with."""
    with own_stack(STATE) as folder:
        rates = sink.measure(ticks, rounds, keys, say)
        medians = {rate.key: rate.median for rate in rates}
        notes = [
            f"{one} = {medians[one] / medians[other]:.2f} of {other}"
            for one, other in (("b", "a"), ("c", "b"), ("c", "d"), ("c", "e"), ("c", "f"))
            if one in medians and other in medians
        ]
        if growth:
            empty, grown = sink.measure_growth(ticks, rounds, say)
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
        made = Report(
            "sink",
            f"lab bench sink --ticks {ticks} --rounds {rounds}{' --growth' if growth else ''}",
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
