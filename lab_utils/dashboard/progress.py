"""How the Spark queries went: `read_progress` asks the database, `figure` draws what it said."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from plotly.subplots import make_subplots
from sqlalchemy import Connection, text

from lab_utils.dashboard.health import SILENT_SECONDS
from lab_utils.look import COLOURS, GREY, GRID, LAYOUT, RED, clock_times

SPAN = timedelta(minutes=5)
POINTS = 100
"""How many points a line has at most: batches that ended close together share one."""
PHASES = ("latestOffset", "queryPlanning", "walCommit", "addBatch", "commitOffsets")
"""What a batch of the tick query does, in its order; `addBatch` is reading, parsing and storing."""
TITLES = (
    "rows of ticks a second",
    "a batch of ticks by phase, in ms",
    "watermark behind the clock, in s",
    "minutes that Spark still holds open",
)

# Back from the newest batch, not from now: what happened can be looked at afterwards.
BATCHES = text(
    """
    SELECT query, date_bin(:step, at, '2000-01-01T00:00:00Z') AS at,
           sum(input_rows) / extract(epoch FROM CAST(:step AS interval))::float8 AS input_per_second,
           avg(processed_per_second) FILTER (WHERE input_rows > 0) AS processed_per_second,
           max(watermark) AS watermark, max(state_rows) AS state_rows, max(state_bytes) / 1e6 AS state_megabytes,
    """
    + ", ".join(f"avg((phases ->> '{phase}')::int) FILTER (WHERE input_rows > 0) AS \"{phase}\"" for phase in PHASES)
    + """
    FROM pipeline_progress
    WHERE at > (SELECT max(at) FROM pipeline_progress) - CAST(:span AS interval)
    GROUP BY 1, 2
    ORDER BY 1, 2
    """
)


@dataclasses.dataclass(frozen=True)
class Progress:
    """The batches of both queries over some minutes, in steps of equal length."""

    batches: pd.DataFrame
    """`query`, `at` (UTC, the step's begin), rates in rows a second, `watermark` (UTC), state, a column for each phase (ms)."""
    until: datetime | None

    def of(self, query: str) -> pd.DataFrame:
        """The steps of one query; behind one after which Spark was silent stands an empty one, where a line breaks."""
        steps = self.batches[self.batches["query"] == query]
        is_last = steps["at"].diff(-1) < -timedelta(seconds=SILENT_SECONDS)
        breaks = steps.loc[is_last, ["query", "at"]].assign(at=lambda rows: rows["at"] + timedelta(seconds=1))
        return pd.concat([steps, breaks]).sort_values("at", ignore_index=True) if len(breaks) else steps


def read_progress(connection: Connection, span: timedelta = SPAN) -> Progress:
    """The last minutes that there are."""
    rows = connection.execute(BATCHES, {"span": span, "step": span / POINTS})
    batches = pd.DataFrame(rows.fetchall(), columns=list(rows.keys()))
    for name in ("at", "watermark"):
        batches[name] = pd.to_datetime(batches[name], utc=True)
    numbers = [name for name in batches.columns if name not in {"query", "at", "watermark"}]
    batches[numbers] = batches[numbers].astype(float)
    return Progress(batches, batches["at"].max() if len(batches) else None)


def skeleton() -> Any:
    """The four panels without data; `fill` brings the data, as often as wanted."""
    made = make_subplots(rows=2, cols=2, subplot_titles=TITLES, vertical_spacing=0.16, horizontal_spacing=0.08)
    made.add_scatter(name="in", line={"color": COLOURS[0], "width": 1.5}, row=1, col=1)
    made.add_scatter(name="Spark could", line={"color": COLOURS[1], "width": 1.5, "dash": "dot"}, row=1, col=1)
    for number, phase in enumerate(PHASES):
        colour = RED if phase == "addBatch" else COLOURS[number]
        made.add_bar(name=phase, marker_color=colour, row=1, col=2)
    made.add_scatter(name="watermark", line={"color": COLOURS[3], "width": 1.5}, showlegend=False, row=2, col=1)
    made.add_scatter(name="state", line={"color": COLOURS[5], "width": 1.5}, showlegend=False, row=2, col=2)
    made.update_layout(
        LAYOUT,
        height=520,
        barmode="stack",
        bargap=0,
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.12, "yanchor": "top"},
        uirevision="progress",
    )
    made.update_traces(mode="lines", selector={"type": "scatter"})
    made.update_annotations(font={"size": 13, "color": GREY})
    made.update_xaxes(gridcolor=GRID, zeroline=False, tickformat="%H:%M:%S", hoverformat="%H:%M:%S")
    made.update_xaxes(title_text="UTC", row=2)
    made.update_yaxes(gridcolor=GRID, zeroline=False, rangemode="tozero")
    # What Spark could do is a hundred times what comes: on a plain axis the other line would lie on the bottom.
    made.update_yaxes(type="log", row=1, col=1)
    return made


def fill(chart: Any, progress: Progress) -> None:
    """Bring what was read into panels that `skeleton` made, in place."""
    ticks, candles = progress.of("ticks"), progress.of("candles")
    times = clock_times(ticks["at"])
    lines, bars = chart.data[:2], chart.data[2:-2]
    lines[0].update(x=times, y=ticks["input_per_second"].where(ticks["input_per_second"] > 0))
    lines[1].update(x=times, y=ticks["processed_per_second"])
    for trace, phase in zip(bars, PHASES, strict=True):
        trace.update(x=times, y=ticks[phase])
    times = clock_times(candles["at"])
    chart.data[-2].update(x=times, y=(candles["at"] - candles["watermark"]).dt.total_seconds())
    chart.data[-1].update(x=times, y=candles["state_rows"])
    if progress.until is not None:
        chart.update_xaxes(range=clock_times(pd.Series([progress.until - SPAN, progress.until])))


def figure(progress: Progress) -> Any:
    """The four panels, for a cell, a file or a page."""
    made = skeleton()
    fill(made, progress)
    return made
