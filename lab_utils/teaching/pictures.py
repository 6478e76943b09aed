"""Pictures drawn from what is there now: partitions, their copies, checkpoints, who had what when, the map of the pipeline."""

import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.io

from lab_utils.errors import LabError
from lab_utils.look import COLOURS, GREY, GRID, LAYOUT, RED
from lab_utils.teaching.cards import in_notebook
from lab_utils.teaching.probes import Broker, Seen
from lab_utils.teaching.spark_tasks import Task, rows_of, span


def _figure(height: int, title: str) -> Any:
    if in_notebook():
        plotly.io.renderers.default = "plotly_mimetype"  # drawn by JupyterLab itself, without the network
    figure = go.Figure()
    figure.update_layout(LAYOUT, title=title, height=height)
    return figure


def partition_bars(topic: str, committed: Mapping[int, int] | None = None) -> Any:
    """A topic as it lies in the log: one bar a partition, one block a record, coloured by its key.

    Args:
        topic: which.
        committed: partition → the offset that a group has committed; drawn as a line across the bar.

    Raises:
        LabError: the broker or the topic is not there.
    """
    broker = Broker()
    broker.require_topic(topic, "Run the cells above, which create it.")
    return draw_partitions(topic, broker.partitions(topic), broker.records(topic), committed or {})


def draw_partitions(topic: str, partitions: int, records: Sequence[Seen], committed: Mapping[int, int]) -> Any:
    """The picture for these records."""
    figure = _figure(120 + 55 * partitions, f"{topic}: {len(records)} records in {partitions} partitions")
    keys = [key for key, _ in Counter(seen.key for seen in records).most_common()]
    colours = dict(zip((key for key in keys if key is not None), itertools.cycle(COLOURS), strict=False))
    for key in keys:
        own = [seen for seen in records if seen.key == key]
        figure.add_bar(
            name="(no key)" if key is None else _word(key),
            orientation="h",
            x=[1] * len(own),
            base=[seen.offset for seen in own],
            y=[f"partition {seen.partition}" for seen in own],
            marker={
                "color": GREY if key is None else colours[key],
                "pattern": {"shape": "/" if key is None else "", "solidity": 0.3},
                "line": {"width": 0.5, "color": "#8886"},
            },
            hovertext=[f"offset {seen.offset}<br>{_word(seen.value)[:80]}" for seen in own],
            hoverinfo="text+name",
        )
    for partition, offset in committed.items():
        figure.add_scatter(
            x=[offset, offset],
            y=[f"partition {partition}"] * 2,
            mode="markers",
            marker={"symbol": "line-ns", "size": 34, "line": {"width": 3, "color": RED}},
            name="committed",
            showlegend=partition == min(committed),
        )
    figure.update_layout(barmode="overlay", legend_title_text="key")
    figure.update_xaxes(title="offset", rangemode="tozero")
    names = [f"partition {number}" for number in range(partitions)]
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], range=[-0.5, partitions - 0.5])
    return figure


def checkpoint_bars(checkpoint: Path) -> Any:
    """What the checkpoint of a query on Kafka says: one bar a partition, one block a batch; hatched where none was done.

    Args:
        checkpoint: the folder of a query that has made fewer than a hundred batches; Spark removes older files.

    Raises:
        LabError: it holds no batch.
    """
    planned = sorted(int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*"))
    if not planned:
        raise LabError(f"{checkpoint} holds no batch.", "Run the cells above, which start a query.")
    begin = _offsets_in(checkpoint / "sources" / "0" / "0")
    parts = list(begin | _offsets_in(checkpoint / "offsets" / str(planned[-1])))  # a topic may have got more
    figure = _figure(150 + 45 * len(parts), f"{checkpoint.name}: the offsets of each batch")
    for number in planned:
        end = _offsets_in(checkpoint / "offsets" / str(number))
        is_done = (checkpoint / "commits" / str(number)).exists()
        figure.add_bar(
            name=f"batch {number}: {'done' if is_done else 'planned, not done'}",
            orientation="h",
            x=[end.get(part, 0) - begin.get(part, 0) for part in parts],
            base=[begin.get(part, 0) for part in parts],
            y=parts,
            marker={
                "color": COLOURS[number % len(COLOURS)] if is_done else RED,
                "pattern": {"shape": "" if is_done else "/", "solidity": 0.3},
                "line": {"width": 0.5, "color": "#8886"},
            },
            hovertext=[f"from offset {begin.get(part, 0)} up to {end.get(part, 0)}" for part in parts],
            hoverinfo="text+name",
        )
        begin = end
    figure.update_layout(barmode="overlay", showlegend=True)
    figure.update_xaxes(title="offset", rangemode="tozero", gridcolor=GRID)
    figure.update_yaxes(categoryorder="array", categoryarray=parts[::-1])
    return figure


def task_bars(tasks: Sequence[Task], title: str, until: float = 0) -> Any:
    """Tasks over time: one row a slot of an executor, one block a task with its number; hatched when it failed.

    Args:
        tasks: those to draw.
        title: above the picture.
        until: seconds that the axis shows at least, so that pictures can be compared.

    Raises:
        LabError: there is no task.
    """
    if not tasks:
        raise LabError("There is no task to draw.", "Run the cells above, which let Spark work.")
    placed = rows_of(tasks)
    names = sorted({name for name, _ in placed}, key=lambda name: (len(name), name))
    figure = _figure(110 + 34 * len(names), title)
    begin = min(task.began for task in tasks)
    executors = sorted({task.executor for task in tasks}, key=lambda name: (len(name), name))
    colours = dict(zip(executors, itertools.cycle(COLOURS), strict=False))
    for is_done in (True, False):
        own = [(name, task) for name, task in placed if (task.status == "SUCCESS") is is_done]
        figure.add_bar(
            orientation="h",
            x=[task.seconds for _, task in own],
            base=[(task.began - begin).total_seconds() for _, task in own],
            y=[name for name, _ in own],
            width=0.8,
            text=[str(task.number) for _, task in own],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"color": "white"},
            marker={
                "color": [colours[task.executor] if is_done else RED for _, task in own],
                "pattern": {"shape": "" if is_done else "/", "solidity": 0.3},
                "line": {"width": 0.5, "color": "#8886"},
            },
            hovertext=[
                f"stage {task.stage}, task {task.number}, attempt {task.attempt + 1}<br>"
                f"{task.status.lower()} after {task.seconds:.2f} s"
                for _, task in own
            ],
            hoverinfo="text",
        )
    figure.update_layout(barmode="overlay", showlegend=False, bargap=0.2, uniformtext={"mode": "hide", "minsize": 9})
    figure.update_xaxes(title="seconds", range=[0, 1.02 * max(until, span(tasks))], gridcolor=GRID)
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], ticksuffix=" ")
    return figure


def _offsets_in(file: Path) -> dict[str, int]:
    """`topic, partition n` → offset, from the last line of a file of a checkpoint."""
    topics = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
    return {
        f"{topic}, partition {partition}": offset
        for topic, offsets in sorted(topics.items())
        for partition, offset in sorted(offsets.items(), key=lambda pair: int(pair[0]))
    }


def _word(raw: bytes | None) -> str:
    return "no value" if raw is None else raw.decode(errors="replace")


@dataclasses.dataclass(frozen=True)
class Span:
    """Who had something from when to when."""

    row: str
    """What was had, such as a partition."""
    start: float
    """In seconds."""
    end: float
    who: str | None
    """None when nobody had it."""


def draw_spans(title: str, spans: Sequence[Span], moments: Mapping[str, float] | None = None) -> Any:
    """A row for each thing, a coloured piece for each time that somebody had it.

    Args:
        title: of the picture.
        spans: in any order; rows are drawn in the order of their names.
        moments: what to mark with a line across → when, in seconds.
    """
    rows = sorted({piece.row for piece in spans}, reverse=True)
    figure = _figure(150 + 34 * len(rows), title)
    for who in sorted({piece.who for piece in spans}, key=lambda who: (who is None, who or "")):
        own = [piece for piece in spans if piece.who == who]
        figure.add_bar(
            name=who or "nobody",
            orientation="h",
            x=[round(piece.end - piece.start, 3) for piece in own],
            base=[round(piece.start, 3) for piece in own],
            y=[piece.row for piece in own],
            marker={
                "color": _colour_of(who, spans),
                "pattern": {"shape": "" if who else "/", "solidity": 0.3},
                "line": {"width": 0.5, "color": "#8886"},
            },
            hovertext=[f"{piece.start:.1f} s to {piece.end:.1f} s" for piece in own],
            hoverinfo="text+name",
        )
    mark_moments(figure, moments or {})
    figure.update_layout(barmode="overlay", showlegend=True)
    figure.update_xaxes(title="seconds", gridcolor=GRID)
    figure.update_yaxes(categoryorder="array", categoryarray=rows)
    return figure


def _colour_of(who: str | None, spans: Sequence[Span]) -> str:
    names = sorted({piece.who for piece in spans if piece.who is not None})
    return GREY if who is None else COLOURS[names.index(who) % len(COLOURS)]


def mark_moments(figure: Any, moments: Mapping[str, float]) -> None:
    """A dashed line across a figure at each of these seconds, with its name."""
    for number, (name, second) in enumerate(moments.items()):
        figure.add_vline(x=second, line={"color": RED, "width": 1.5, "dash": "dash"})
        figure.add_annotation(
            x=second, y=1, yref="paper", yanchor="bottom", yshift=14 * (number % 2), text=name, showarrow=False
        )
    if moments:
        figure.update_layout(margin={"t": 84})


def draw_copies(title: str, partitions: Sequence[Mapping[str, Any]]) -> Any:
    """Where the copies of a topic are: a row a partition, a column a broker.

    Args:
        title: of the picture.
        partitions: as `describe_topics` of kafka-python gives them.
    """
    brokers = sorted({broker for part in partitions for broker in part["replica_nodes"]})
    numbers = sorted(part["partition_index"] for part in partitions)
    figure = _figure(160 + 34 * len(numbers), title)
    kinds = {"leads": [], "in sync": [], "not in sync": []}  # type: dict[str, list[tuple[int, int]]]
    for part in partitions:
        for broker in part["replica_nodes"]:
            kind = "in sync" if broker in part["isr_nodes"] else "not in sync"
            kinds["leads" if broker == part["leader_id"] else kind].append((broker, part["partition_index"]))
    looks = {"leads": (COLOURS[1], "square"), "in sync": (COLOURS[0], "square"), "not in sync": (RED, "x-thin")}
    for kind, places in kinds.items():
        colour, symbol = looks[kind]
        figure.add_scatter(
            name=kind,
            mode="markers",
            x=[f"broker {broker}" for broker, _ in places],
            y=[f"partition {number}" for _, number in places],
            marker={"color": colour, "symbol": symbol, "size": 22, "line": {"width": 3, "color": colour}},
            hoverinfo="x+y+name",
        )
    figure.update_layout(showlegend=True, legend={"itemsizing": "constant"})
    names = [f"broker {broker}" for broker in brokers]
    figure.update_xaxes(categoryorder="array", categoryarray=names, range=[-0.6, len(names) - 0.4], side="top")
    rows = [f"partition {number}" for number in reversed(numbers)]
    figure.update_yaxes(categoryorder="array", categoryarray=rows, range=[-0.6, len(rows) - 0.4])
    figure.update_layout(margin={"t": 80})
    return figure


STATIONS = (
    ("feed", "market feed"),
    ("producer", "producers"),
    ("kafka", "Kafka"),
    ("spark", "Spark"),
    ("postgres", "PostgreSQL"),
    ("dashboard", "dashboards"),
)


def pipeline_map(here: str) -> Any:
    """The way of a tick from left to right; the station `here` stands out, servers that run have a green rim.

    Raises:
        LabError: there is no such station.
    """
    from lab_utils import stack

    names = [name for name, _ in STATIONS]
    if here not in names:
        raise LabError(f"The map has no station {here!r}.", f"There is: {', '.join(names)}.")
    running = {server.name: server.running for server in stack.status()}
    figure = _figure(190, "The way of a tick")
    figure.add_scatter(x=[0, len(names) - 1], y=[0, 0], mode="lines", line={"color": "#8a8f98", "width": 2})
    figure.add_scatter(
        x=list(range(len(names))),
        y=[0] * len(names),
        mode="markers+text",
        text=[f"<b>{word}</b>" if name == here else word for name, word in STATIONS],
        textposition="top center",
        marker={
            "size": [34 if name == here else 24 for name in names],
            "color": [COLOURS[1] if name == here else COLOURS[0] for name in names],
            "line": {"width": 4, "color": ["#2e9e5b" if running.get(name) else "#8a8f98" for name in names]},
        },
        hovertext=[_state(name, running) for name in names],
        hoverinfo="text",
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(visible=False, range=[-0.6, len(names) - 0.4])
    figure.update_yaxes(visible=False, range=[-0.6, 1])
    return figure


def _state(name: str, running: Mapping[str, bool]) -> str:
    return "runs" if running.get(name) else "does not run" if name in running else "not a server of this unit"
