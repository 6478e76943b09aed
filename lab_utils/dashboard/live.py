"""The dashboards in a notebook: `live_market("BTC")` and `monitor()`, each one widget that a thread keeps up to date.

One widget, however often its cell is run: each new one would send plotly's whole JavaScript, and a browser never forgets
a widget (manzt/anywidget#929). A thread, not a task of the kernel: a task stands still while another cell runs.

Where nobody looks (`LAB_HEADLESS=1`), there is a picture instead: of a widget nothing is left in the notebook's file but
five megabytes of its state.
"""

import contextlib
import copy
import functools
import html
import itertools
import os
import re
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import ipywidgets
import plotly.graph_objects as go
from IPython.display import HTML, display

from lab_utils.dashboard import market, progress
from lab_utils.dashboard.health import Hop, findings
from lab_utils.dashboard.market import RANGES
from lab_utils.dashboard.monitor import Monitor
from lab_utils.dashboard.source import Source
from lab_utils.errors import LabError
from lab_utils.look import CONFIG

LOOK_SECONDS = 1.0
KEEP_EVERY = 10
"""Looks between two that are kept for a page that is loaded again."""
RUNS_SECONDS = 600.0
"""A chart that was forgotten stops by itself."""


MENDING = """
const labShow = VIEW.prototype.perform_render, labRemove = VIEW.prototype.remove;
VIEW.prototype.perform_render = function () {
  labShow.call(this);
  this.labSize = new ResizeObserver(() => window.dispatchEvent(new Event("resize")));
  this.labSize.observe(this.el);
};
VIEW.prototype.remove = function () {
  this.labSize.disconnect();
  for (const name of Object.getOwnPropertyNames(VIEW.prototype))
    if (name.startsWith("do_")) this[name] = () => {};
  labRemove.call(this);
};
"""
"""Two things that plotly's widget (7.1) lacks; VIEW is the name of its view.

It draws before it has a place in the page, 700 pixels wide, and looks at its width again only when the window changes.
And a view that was taken away goes on listening: when its cell is run again it still gets each update, for a plot that
is gone; that raises, and the new view, which is next in the row, never hears of it.
"""


def _mended(script: str) -> str:
    """The script of plotly's widget with what it lacks.

    Raises:
        LabError: another plotly, whose script is built differently.
    """
    view = re.search(r"export\{[^}]*?([\w$]+) as FigureView", script)
    if view is None:
        raise LabError("This version of plotly has no live figures that the lab knows.", "Run: ./start_pipeline.sh")
    return script + MENDING.replace("VIEW", view[1])


@functools.cache
def _widget_class() -> type[Any]:
    class LiveFigure(go.FigureWidget):  # type: ignore[misc]
        """A FigureWidget that the browser gets as a whole.

        Plotly's own is opened empty and sends data and layout behind. On a busy machine the browser draws it in between,
        and never again: an empty chart.
        """

        _esm = _mended(str(go.FigureWidget._esm))
        _is_whole = False

        def __init__(self, figure: go.Figure) -> None:
            super().__init__(figure)
            self._config = CONFIG
            self._is_whole = True
            self.open()

        def open(self) -> None:
            if self._is_whole:
                super().open()

        def keep(self) -> None:
            """Let a page that is loaded again begin with what there is now; plotly would begin with the first state."""
            self._widget_layout, self._widget_data = copy.deepcopy(self._layout_obj._props), copy.deepcopy(self._data)

    return LiveFigure


class Live:
    """A figure with words above it, looked after once a second until `stop()` or for ten minutes."""

    def __init__(self, skeleton: Any) -> None:
        """Nothing is shown or looked at yet; `skeleton` is the figure without data."""
        self._skeleton = skeleton
        self._source = Source()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._is_drawn = threading.Event()
        self._thread: threading.Thread | None = None
        self._box: Any = None

    def fill(self, figure: Any) -> str:
        """Bring the newest data into a figure; the words for above it, as HTML.

        Raises:
            LabError: a server is away.
        """
        raise NotImplementedError

    def controls(self) -> list[Any]:
        """Widgets to choose by; called once, before the first look of a thread."""
        return []

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {'running' if self.is_running else 'stopped'}>"

    @property
    def is_running(self) -> bool:
        """Whether it is looked after."""
        return self._thread is not None and self._thread.is_alive() and not self._stopped.is_set()

    def start(self) -> None:
        """Look after it from now on."""
        self.stop()
        if self._box is None:
            self._open()
        self._button.description = "Stop"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stopped,), name="live-figure", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        # Not earlier: of a widget that was only made, too, the state goes into the notebook's file.
        self._words = ipywidgets.HTML()
        self._button = ipywidgets.Button(description="Stop", layout={"width": "6rem"})
        self._button.on_click(lambda _button: self.stop() if self.is_running else self.start())
        with contextlib.suppress(LabError):  # the thread will say it
            self.fill(self._skeleton)
        self._widget = _widget_class()(self._skeleton)
        self._widget.observe(lambda _change: self._is_drawn.set(), ["_js2py_traceDeltas", "_js2py_layoutDelta"])
        head = ipywidgets.HBox([*self.controls(), self._button], layout={"flex_flow": "row wrap"})
        self._box = ipywidgets.VBox([head, self._words, self._widget])

    def stop(self) -> None:
        """Leave it as it is."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._button.description = "Go on"

    def look_now(self) -> None:
        """Do not wait for the next second."""
        self._wake.set()

    def _run(self, stopped: threading.Event) -> None:
        end = time.monotonic() + RUNS_SECONDS
        for look in itertools.count(1):
            if time.monotonic() > end:
                break
            self._wake.clear()
            try:
                if self._is_drawn.is_set():
                    with self._widget.batch_update():  # one message for all that has changed (plotly/plotly.py#1288)
                        words = self.fill(self._widget)
                    if look % KEEP_EVERY == 0:
                        self._widget.keep()
                else:
                    # The browser loads the widget's script, and would not hear of a change that is sent meanwhile. Nor
                    # would it be sent again: plotly sends what differs from what it sent before.
                    words = self.fill(go.Figure(self._skeleton))
            except LabError as error:
                words = _trouble(error)
            self._words.value = words
            self._wake.wait(LOOK_SECONDS)
            if stopped.is_set():
                return
        self._words.value += _paragraph("Stopped after ten minutes.")
        self._button.description = "Go on"

    def _ipython_display_(self) -> None:
        if os.environ.get("LAB_HEADLESS") == "1":
            still = go.Figure(self._skeleton)
            try:
                words = self.fill(still)
            except LabError as error:
                words = _trouble(error)
            display(HTML(words))
            still.show(renderer="plotly_mimetype")
        else:
            self.start()
            display(self._box)


def _trouble(error: LabError) -> str:
    return _paragraph(f"{error.what} {error.repair}", is_trouble=True)


def _paragraph(words: str, *, is_trouble: bool = False) -> str:
    style = ' style="color: #c5221f; font-weight: 600"' if is_trouble else ""
    return f"<p{style}>{html.escape(words)}</p>"


class LiveMarket(Live):
    """The candles of one pair, to be chosen above it."""

    def __init__(self) -> None:
        super().__init__(market.skeleton())
        self._wanted = ""
        """The symbol, or the pair as it is written."""
        self._range = RANGES[0]
        self._pickers: tuple[Any, Any] | None = None
        self._is_offering = False

    def choose(self, wanted: str, range_says: str) -> None:
        """Show a symbol's first pair, or a pair such as `XRP/ETH`, as soon as it has candles.

        Raises:
            LabError: there is no such range.
        """
        names = [each.says for each in RANGES]
        if range_says not in names:
            raise LabError(f"There is no range {range_says!r}.", f"Choose one of: {', '.join(names)}")
        self._wanted, self._range = wanted, RANGES[names.index(range_says)]
        if self._pickers is not None:
            self._pickers[1].value = range_says
        self.look_now()

    def controls(self) -> list[Any]:
        """Pair and range."""
        pairs = ipywidgets.Dropdown(layout={"width": "10rem"})
        ranges = ipywidgets.ToggleButtons(
            options=[each.says for each in RANGES], value=self._range.says, style={"button_width": "5rem"}
        )
        self._pickers = pairs, ranges

        def picked(_change: object) -> None:
            if not self._is_offering:
                self.choose(pairs.value, ranges.value)

        pairs.observe(picked, "value")
        ranges.observe(picked, "value")
        return [pairs, ranges]

    def fill(self, figure: Any) -> str:
        """See `Live.fill`."""
        known = self._source.read(market.pairs)
        pair = next((pair for pair in known if str(pair) == self._wanted), None) or market.choose(known, self._wanted)
        self._offer([str(each) for each in known], None if pair is None else str(pair))
        if pair is None:
            return _paragraph(f"No candles of {self._wanted} yet. They come with: lab start")
        found = self._source.read(lambda connection: market.snapshot(connection, pair, self._range))
        market.fill(figure, found)
        return _paragraph(found.words(datetime.now(UTC)))

    def _offer(self, names: list[str], chosen: str | None) -> None:
        if self._pickers is not None:
            pairs, _ = self._pickers
            self._is_offering = True  # new options choose the first of them
            if list(pairs.options) != names:
                pairs.options = names
            if pairs.value != chosen:
                pairs.value = chosen
            self._is_offering = False


class LiveMonitor(Live):
    """The pipeline in words, its hops, and how the Spark queries go."""

    def __init__(self) -> None:
        super().__init__(progress.skeleton())
        self._monitor = Monitor()

    def fill(self, figure: Any) -> str:
        """See `Live.fill`."""
        seen = self._monitor.look()
        with contextlib.suppress(LabError):  # the findings say that the database is away
            progress.fill(figure, self._source.read(progress.read_progress))
        said = "".join(_paragraph(found.words, is_trouble=found.is_trouble) for found in findings(seen))
        return said + _strip(seen.hops)


def _strip(hops: Sequence[Hop]) -> str:
    box = "border: 1px solid #8a8f98; border-radius: 6px; padding: 0.2rem 0.6rem; flex: 1 1 6rem; line-height: 1.4"
    parts = [
        f'<div style="{box}"><b>{hop.name}</b><br>{"<br>".join(map(html.escape, hop.words()))}</div>' for hop in hops
    ]
    return f'<div style="display: flex; flex-wrap: wrap; gap: 0.3rem">{"".join(parts)}</div>'


@functools.cache
def _only(kind: type[Any]) -> Any:
    """The one of its kind in this kernel."""
    return kind()


def live_market(symbol: str = "BTC", range: str = "1 h") -> LiveMarket:
    """The market chart, live; as the last expression of a cell it is shown.

    Args:
        symbol: what is shown at first; its first pair, or a pair such as `XRP/ETH`.
        range: how far back at first: `15 min`, `1 h`, `6 h` or `1 day`.

    Raises:
        LabError: there is no such range.
    """
    live: LiveMarket = _only(LiveMarket)
    live.choose(symbol, range)
    return live


def monitor() -> LiveMonitor:
    """The pipeline, live; as the last expression of a cell it is shown."""
    return cast(LiveMonitor, _only(LiveMonitor))
