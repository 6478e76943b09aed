"""How the lab's own figures look: readable in light and dark notebooks and pages."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import plotly.io

COLOURS = ("#3b82c4", "#e0803a", "#2e9e5b", "#b05cc6", "#c9a91b", "#4fb3b3", "#8d6e4f")
"""Distinguishable on white and on dark grey."""
GREY, RED = "#8a8f98", "#e5342b"
"""For text and what has no colour of its own, and for what is to be noticed."""
GRID = "rgba(138,143,152,0.25)"

# In place of plotly's own template, which is made for white paper and goes into every figure's file with its 7 kB.
_AXIS = {"automargin": True, "zeroline": False}
plotly.io.templates["lab"] = go.layout.Template(
    layout={"xaxis": _AXIS, "yaxis": _AXIS, "colorway": COLOURS, "hovermode": "closest", "title": {"x": 0.05}}
)
plotly.io.templates.default = "lab"

LAYOUT: dict[str, Any] = {
    "margin": {"l": 10, "r": 10, "t": 50, "b": 40},
    "paper_bgcolor": "rgba(0,0,0,0)",  # see-through
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": GREY},
}


CONFIG: Any = {"displaylogo": False, "responsive": True}
"""Of what the browser offers beside a live figure."""


def clock_times(times: "pd.Series[Any]") -> list[str]:
    """UTC times as plotly is to show them: text without a zone, so that no browser moves them into its own.

    Text, because a FigureWidget sends pandas' own times as nanoseconds and plotly takes them for milliseconds.
    """
    return list(times.dt.tz_convert("UTC").dt.strftime("%Y-%m-%d %H:%M:%S.%f"))
