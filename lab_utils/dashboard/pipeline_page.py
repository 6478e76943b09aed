"""The second page of `lab dashboard`: the pipeline, from the APIs to the chart, and single records on their way."""

import dataclasses
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dash
from dash import Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from lab_utils.dashboard import messages, progress
from lab_utils.dashboard.health import Finding, Hop, Pipeline, findings, table_of_lags
from lab_utils.dashboard.market import readable_age
from lab_utils.dashboard.messages import Sent
from lab_utils.dashboard.monitor import Monitor
from lab_utils.dashboard.source import Source
from lab_utils.errors import LabError
from lab_utils.look import CONFIG

STYLE = """
#strip { display: flex; flex-wrap: wrap; align-items: stretch; gap: 0.3rem; margin: 0.8rem 0; }
#strip .hop { flex: 1 1 6rem; border: 1px solid var(--soft); border-radius: 6px; padding: 0.4rem 0.7rem; }
#strip .hop.away { border-color: #c5221f; }
#strip .hop p { margin: 0.1rem 0; font-size: 0.85rem; min-height: 1.1em; }
#strip .arrow { align-self: center; color: var(--soft); }
#findings p { margin: 0.2rem 0; }
#details { display: flex; flex-wrap: wrap; gap: 0.5rem 2.5rem; }
table { border-collapse: collapse; font-size: 0.85rem; }
th, td { text-align: left; padding: 0.1rem 0.9rem 0.1rem 0; vertical-align: top; }
td.raw { font-family: monospace; overflow-wrap: anywhere; max-width: 30rem; }
#message { width: 100%; box-sizing: border-box; font-family: monospace; min-height: 4.5em; background: Canvas; color: CanvasText; }
"""


def layout() -> list[Any]:
    """What the page shows before the first look."""
    topics = list(messages.TOPICS)
    return [
        html.Div(id="findings"),
        html.Div(id="strip"),
        dcc.Graph(id="progress", figure=progress.skeleton(), config=CONFIG),
        html.Div(id="details"),
        html.H2("Single records"),
        dcc.RadioItems(topics, topics[0], id="topic", inline=True),
        html.Button("Show the last records", id="peek"),
        html.Div(id="records"),
        html.P("Send one by hand, and watch where it goes. Break it, and it becomes a dead letter."),
        dcc.Textarea(id="message", value=messages.example(datetime.now(UTC))),
        html.Button("Send", id="send"),
        html.P(id="unsent", className="trouble"),
        html.P(id="followed"),
        dcc.Store(id="sent"),
    ]


def add_callbacks(page: dash.Dash, source: Source, monitor: Monitor) -> None:
    """Let the page look once a second for as long as it is the one that is shown."""
    chart, is_mine = progress.skeleton(), threading.Lock()

    @page.callback(
        [Output("findings", "children"), Output("strip", "children"), Output("details", "children")],
        Output("progress", "figure"),
        Input("tick", "n_intervals"),
        Input("tab", "value"),
    )
    def look(_ticks: int | None, tab: str) -> list[Any]:
        if tab != "pipeline":  # what nobody sees asks nothing
            raise PreventUpdate
        seen = monitor.look()
        try:
            read = source.read(progress.read_progress)
        except LabError:
            drawn: Any = dash.no_update  # the findings say that the database is away
        else:
            with is_mine:
                progress.fill(chart, read)
                drawn = chart.to_dict()
        return [[_said(found) for found in findings(seen)], _strip(seen.hops), _details(seen), drawn]

    @page.callback(Output("records", "children"), Input("peek", "n_clicks"), Input("topic", "value"))
    def show(clicks: int | None, topic: str) -> Any:
        if not clicks:
            raise PreventUpdate
        try:
            found = messages.peek(topic)
        except LabError as error:
            return html.P(str(error), className="trouble")
        if not found:
            return html.P(f"{topic} is empty.")
        rows = [
            [f"{one.partition}:{one.offset}", f"{one.time:%H:%M:%S}", one.key, one.raw, one.meaning] for one in found
        ]
        return _table([["place", "time (UTC)", "key", "raw", "parsed"], *rows], raw=3)

    # Not together with the clock: of two requests of one callback that overlap, Dash forgets the first one's answer.
    @page.callback(
        [Output("sent", "data"), Output("unsent", "children")],
        Input("send", "n_clicks"),
        [State("topic", "value"), State("message", "value")],
        prevent_initial_call=True,
    )
    def send(_clicks: int, topic: str, value: str | None) -> list[Any]:
        try:
            return [dataclasses.asdict(messages.publish(topic, value or "")), ""]
        except LabError as error:
            return [None, str(error)]

    @page.callback(
        Output("followed", "children"), Input("tick", "n_intervals"), Input("sent", "data"), State("tab", "value")
    )
    def follow(_ticks: int | None, sent: dict[str, Any] | None, tab: str) -> str:
        if tab != "pipeline":
            raise PreventUpdate
        if sent is None:
            return ""
        placed = Sent(**sent)
        try:
            return source.read(lambda connection: messages.follow(connection, placed))
        except LabError as error:
            return str(error)


def _said(found: Finding) -> Any:
    return html.P(found.words, className="trouble" if found.is_trouble else "")


def _strip(hops: Sequence[Hop]) -> list[Any]:
    parts: list[Any] = []
    for hop in hops:
        parts += [html.Div("→", className="arrow")] if parts else []
        lines = [html.P(line) for line in hop.words()]
        parts.append(html.Div([html.B(hop.name), *lines], className="hop away" if hop.count is None else "hop"))
    return parts


def _details(seen: Pipeline) -> list[Any]:
    tables = [["table", "rows", "newest event (UTC)", "duplicates"]] + [
        [held.table, f"{held.rows:,}", f"{held.newest:%Y-%m-%d %H:%M:%S}" if held.newest else "", str(held.duplicates)]
        for held in seen.tables
    ]
    letters = [["refused in the last hour that had any", "records"]] + [
        [reason, f"{count:,}"] for reason, count in seen.dead_letters
    ]
    behind = "" if seen.watermark is None else f", {readable_age((seen.at - seen.watermark).total_seconds())} ago"
    state = [
        ["candles in Spark", ""],
        ["watermark (UTC)", "none yet" if seen.watermark is None else f"{seen.watermark:%H:%M:%S}{behind}"],
        ["ticks that came later than it", f"{seen.late_ticks:,}"],
        ["open minutes in its state", f"{seen.state_rows:,} ({seen.state_bytes / 1000:,.0f} kB)"],
    ]
    shown = [tables, state, table_of_lags([lag for lag in seen.lags if lag.end])]
    return [_table(rows) for rows in (shown if len(letters) == 1 else [*shown, letters])]


def _table(rows: Sequence[Sequence[str]], raw: int | None = None) -> Any:
    head, *body = rows
    return html.Table(
        [
            html.Thead(html.Tr([html.Th(name) for name in head])),
            html.Tbody(
                [
                    html.Tr([html.Td(cell, className="raw" if place == raw else "") for place, cell in enumerate(row)])
                    for row in body
                ]
            ),
        ]
    )
