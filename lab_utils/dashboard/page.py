"""The pages of `lab dashboard`, the market and the pipeline: a process of its own, on loopback, without the network."""

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dash
from dash import Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate
from werkzeug.serving import WSGIRequestHandler, make_server

from lab_utils.dashboard import market, pipeline_page
from lab_utils.dashboard.market import RANGES, Market, Pair
from lab_utils.dashboard.monitor import Monitor
from lab_utils.dashboard.place import NAME, address
from lab_utils.dashboard.source import Source
from lab_utils.errors import LabError
from lab_utils.look import CONFIG
from lab_utils.servers import processes
from lab_utils.settings import settings
from lab_utils.signals import Stop

TICK_MS = 1000
TABS = [{"label": "Market", "value": "market"}, {"label": "Pipeline", "value": "pipeline"}]
STYLE = """
:root { color-scheme: light dark; --soft: #8a8f98; }
body { font-family: system-ui, sans-serif; margin: 0 auto; padding: 0.5rem 1.5rem; max-width: 1200px; }
h1 { font-size: 1.2rem; display: inline-block; margin-right: 1.5rem; }
h2 { font-size: 1rem; margin-top: 1.5rem; }
#choices { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; align-items: center; }
#choices label { margin-right: 0.8rem; }
label { color: CanvasText !important; }
#tab { display: inline-block; }
#tab label { margin-right: 1rem; }
#words { min-height: 1.5em; margin: 0.6rem 0 0; }
.trouble { color: #c5221f; font-weight: 600; }
"""
PAGE = f"""<!DOCTYPE html>
<html lang="en"><head>{{%metas%}}<title>{{%title%}}</title>{{%favicon%}}{{%css%}}<style>{STYLE}{pipeline_page.STYLE}</style></head>
<body>{{%app_entry%}}<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer></body></html>
"""


def make_page(source: Source, monitor: Monitor, prefix: str = "/") -> dash.Dash:
    """Both pages, asked for at `prefix` (as behind a proxy that serves it at another path)."""
    page = dash.Dash(
        "lab_dashboard",
        title="Market Stream Lab",
        update_title="",
        index_string=PAGE,
        serve_locally=True,
        requests_pathname_prefix=prefix,
        routes_pathname_prefix="/",
        add_log_handler=False,
    )
    page.layout = _layout  # made for each visitor: it shows a record with the time of now
    _add_callbacks(page, source)
    pipeline_page.add_callbacks(page, source, monitor)
    return page


def _layout() -> html.Div:
    return html.Div(
        [
            html.H1("Market Stream Lab"),
            dcc.RadioItems(TABS, TABS[0]["value"], id="tab", inline=True),
            html.Div(_market_layout(), id="market"),
            html.Div(pipeline_page.layout(), id="pipeline", hidden=True),
            dcc.Interval(id="tick", interval=TICK_MS),
        ]
    )


def _market_layout() -> list[Any]:
    return [
        html.Div(
            [
                dcc.RadioItems(id="pair", inline=True),
                dcc.RadioItems([each.says for each in RANGES], RANGES[1].says, id="range", inline=True),
            ],
            id="choices",
        ),
        html.P(id="words"),
        dcc.Graph(id="chart", figure=market.skeleton(), config=CONFIG),
    ]


def _add_callbacks(page: dash.Dash, source: Source) -> None:
    @page.callback([Output(tab["value"], "hidden") for tab in TABS], Input("tab", "value"))
    def choose(chosen: str) -> list[bool]:
        return [tab["value"] != chosen for tab in TABS]

    # Made once and filled for each look: making it takes four fifths of the time.
    chart, is_mine = market.skeleton(), threading.Lock()

    def drawn(found: Market) -> dict[str, Any]:
        with is_mine:
            market.fill(chart, found)
            return dict(chart.to_dict())

    @page.callback(
        [Output("chart", "figure"), Output("words", "children"), Output("words", "className")],
        [Output("pair", "options"), Output("pair", "value")],
        Input("tick", "n_intervals"),
        Input("pair", "value"),
        Input("range", "value"),
        Input("tab", "value"),
        State("pair", "options"),
    )
    def look(
        _ticks: int | None, chosen: str | None, says: str, tab: str, options: list[dict[str, str]] | None
    ) -> list[Any]:
        if tab != "market":
            raise PreventUpdate
        wanted = next(each for each in RANGES if each.says == says)
        try:
            known = source.read(market.pairs)
            if not known:
                return [dash.no_update, "No candles yet. They come with: lab start", "", dash.no_update, None]
            names = [{"label": str(pair), "value": _name(pair)} for pair in known]
            pair = next((pair for pair in known if _name(pair) == chosen), None) or _first(known)
            found = source.read(lambda connection: market.snapshot(connection, pair, wanted))
        except LabError as error:
            return [dash.no_update, f"{error.what} {error.repair}", "trouble", dash.no_update, dash.no_update]
        # Options that are the same again would be drawn again, under the reader's pointer.
        offered = dash.no_update if names == options else names
        value = dash.no_update if _name(pair) == chosen else _name(pair)
        return [drawn(found), found.words(datetime.now(UTC)), "", offered, value]


def _name(pair: Pair) -> str:
    return json.dumps([pair.asset_class, pair.symbol, pair.currency])


def _first(known: list[Pair]) -> Pair:
    return market.choose(known, "BTC") or known[0]


class _Silent(WSGIRequestHandler):
    def log_request(self, *_arguments: object) -> None:
        """One line a second is no news."""


def run(stop: Stop, port: int | None, prefix: str, say: Callable[[str], None], host: str = processes.HOST) -> None:
    """Serve the page until `stop` is set.

    Args:
        stop: set by Ctrl-C.
        port: the first one tried; the setting's, where it is None.
        prefix: see `make_page`.
        say: told the address.
        host: the address at which it listens. Only inside a container is it another one than loopback.

    Raises:
        LabError: a dashboard of this checkout runs already.
    """
    with processes.lock(NAME) as is_ours:
        if not is_ours:
            raise LabError("A dashboard of this checkout runs already.", f"Open it at: {address()}")
        source, monitor = Source(), Monitor()
        page = make_page(source, monitor, prefix)
        wanted = port or settings().dashboard_port
        with processes.listening(NAME, wanted, host=host) as opened:
            chosen = int(opened.getsockname()[1])
            server = make_server(host, chosen, page.server, threaded=True, request_handler=_Silent, fd=opened.fileno())
            processes.write_record(NAME, processes.Record(os.getpid(), chosen, wanted))
            say(f"http://{processes.HOST}:{chosen}/")
            server.timeout = 0.5
            try:
                while not stop.is_set():
                    server.handle_request()
            finally:
                server.server_close()
                source.close()
                monitor.close()
