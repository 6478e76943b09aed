"""The market chart: `snapshot` asks the database, `figure` draws what it said. Neither knows where it is shown.

Every host shows the same figure: the page of `lab dashboard` (`page.py`), and a cell of a notebook (`figure`).
"""

import dataclasses
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from plotly.subplots import make_subplots
from sqlalchemy import Connection, text

from lab_utils.look import COLOURS, GREY, GRID, LAYOUT, RED, clock_times
from lab_utils.ticks import ASSETS

AVERAGES = (5, 20)
"""Candles that each moving average covers."""
UP, DOWN = COLOURS[2], RED
VOLUME_SHARE = 0.22
"""How much of the height the volume takes."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """What is traded, and in which currency."""

    asset_class: str
    symbol: str
    currency: str

    def __str__(self) -> str:
        """As people write it: `BTC/USD`."""
        return f"{self.symbol}/{self.currency}"


@dataclasses.dataclass(frozen=True)
class Range:
    """How far back a chart goes, and in how wide candles."""

    says: str
    span: timedelta
    width: timedelta


RANGES = (
    Range("15 min", timedelta(minutes=15), timedelta(minutes=1)),
    Range("1 h", timedelta(hours=1), timedelta(minutes=1)),
    Range("6 h", timedelta(hours=6), timedelta(minutes=5)),
    Range("1 day", timedelta(days=1), timedelta(minutes=15)),
)
"""Each about a hundred candles at most: more would be thinner than a line, and a browser draws them every second."""


@dataclasses.dataclass(frozen=True)
class Market:
    """One pair as the database has it at one moment."""

    pair: Pair
    range: Range
    candles: pd.DataFrame
    """`window_start` (UTC), `open`, `high`, `low`, `close`, `volume` as floats, and `average_5`, `average_20`."""
    price: float | None = None
    """Of the newest tick by event time, in the pair's currency."""
    event_time: datetime | None = None

    def words(self, now: datetime) -> str:
        """The newest price and how old it is; what to do when there is none."""
        if self.price is None or self.event_time is None:
            return f"No tick of {self.pair} yet. They come with: lab start"
        age = (now - self.event_time).total_seconds()
        return (
            f"{self.pair}: {readable(self.price)} at {self.event_time:%Y-%m-%d %H:%M:%S} UTC, {readable_age(age)} ago"
        )


def readable(price: float) -> str:
    """A price with as many digits as its size asks for: `73,783.09`, `0.000012346`."""
    if abs(price) >= 1 or not price:
        return f"{price:,.2f}"
    return f"{price:.{4 - math.floor(math.log10(abs(price)))}f}".rstrip("0")


def readable_age(seconds: float) -> str:
    """Seconds as people say them: `2 s`, `5 min`, `3 h`, `12 days`."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


PAIRS = text("SELECT asset_class, symbol, currency FROM traded_pairs ORDER BY 1, 2, 3")

# Back from the newest candle, not from now: a recording of last year is worth looking at as well.
CANDLES = text(
    """
    SELECT date_bin(:width, window_start, '2000-01-01T00:00:00Z') AS window_start,
           (array_agg(open ORDER BY window_start))[1]::float8 AS open,
           max(high)::float8 AS high, min(low)::float8 AS low,
           (array_agg(close ORDER BY window_start DESC))[1]::float8 AS close,
           sum(volume)::float8 AS volume
    FROM candles_1m
    WHERE asset_class = :asset_class AND symbol = :symbol AND currency = :currency
      AND window_start > (
          SELECT window_start FROM candles_1m
          WHERE asset_class = :asset_class AND symbol = :symbol AND currency = :currency
          ORDER BY window_start DESC LIMIT 1
      ) - CAST(:back AS interval)
    GROUP BY 1
    ORDER BY 1
    """
)

NEWEST = {
    asset.name: text(
        f"SELECT price::float8, event_time FROM {asset.table} WHERE symbol = :symbol AND currency = :currency "
        "ORDER BY event_time DESC LIMIT 1"
    )
    for asset in ASSETS
}


def pairs(connection: Connection) -> list[Pair]:
    """What has candles, in order of class, symbol and currency."""
    return [Pair(*row) for row in connection.execute(PAIRS)]


def snapshot(connection: Connection, pair: Pair, wanted: Range) -> Market:
    """What the database has of a pair now."""
    which = dataclasses.asdict(pair)
    back = wanted.span + max(AVERAGES) * wanted.width  # the first averages that are shown need candles before them
    rows = connection.execute(CANDLES, {**which, "width": wanted.width, "back": back})
    candles = pd.DataFrame(rows.fetchall(), columns=list(rows.keys()))
    candles["window_start"] = pd.to_datetime(candles["window_start"], utc=True)
    for count in AVERAGES:
        candles[f"average_{count}"] = candles["close"].rolling(count).mean()
    if len(candles):
        shown = candles["window_start"] > candles["window_start"].iloc[-1] - wanted.span
        candles = candles[shown].reset_index(drop=True)
    newest = connection.execute(NEWEST[pair.asset_class], which).one_or_none()
    price, event_time = newest if newest is not None else (None, None)
    return Market(pair, wanted, candles, price, event_time)


def skeleton() -> Any:
    """The chart without data; `fill` brings the data, as often as wanted."""
    made = make_subplots(
        rows=2,
        shared_xaxes=True,
        vertical_spacing=0.03,
        row_heights=[1 - VOLUME_SHARE, VOLUME_SHARE],
    )
    made.add_candlestick(name="candles", increasing_line_color=UP, decreasing_line_color=DOWN, row=1, col=1)
    for count, colour in zip(AVERAGES, COLOURS, strict=False):
        line = {"color": colour, "width": 1.5}
        made.add_scatter(name=f"average of {count}", mode="lines", line=line, hoverinfo="skip", row=1, col=1)
    made.add_bar(name="volume", marker_color=GREY, row=2, col=1)
    grid = {"gridcolor": GRID, "zeroline": False}
    made.update_layout(
        LAYOUT,
        height=480,
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        bargap=0.2,
        xaxis_rangeslider_visible=False,
    )
    made.update_xaxes(grid)
    made.update_xaxes(tickformat="%H:%M", hoverformat="%Y-%m-%d %H:%M")
    made.update_yaxes(grid, side="right", exponentformat="none", separatethousands=True)
    made.update_xaxes(title_text="UTC", row=2, col=1)
    return made


def fill(chart: Any, market: Market) -> None:
    """Bring a snapshot into a chart that `skeleton` made, in place; the reader's zoom stays."""
    candles = market.candles
    times = clock_times(candles["window_start"])
    chart.data[0].update(x=times, **{name: candles[name] for name in ("open", "high", "low", "close")})
    for trace, count in zip(chart.data[1:], AVERAGES, strict=False):
        trace.update(x=times, y=candles[f"average_{count}"])
    chart.data[-1].update(x=times, y=candles["volume"])
    minutes = int(market.range.width.total_seconds() // 60)
    # Set, not updated: an update of a list leaves what the new one does not have.
    chart.layout.annotations = () if len(candles) else (_in_the_middle(f"No candles of {market.pair} yet"),)
    if len(candles):
        half, last = market.range.width / 2, candles["window_start"].iloc[-1]
        chart.update_xaxes(range=clock_times(pd.Series([last - market.range.span + half, last + half])))
    chart.update_layout(
        title=f"{market.pair}, candles of {minutes} min",
        uirevision=f"{market.pair} {market.range.says}",
    )


def _in_the_middle(words: str) -> dict[str, Any]:
    return {"text": words, "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.6, "font_size": 18}


def figure(market: Market) -> Any:
    """The chart of a snapshot, for a cell, a file or a page."""
    made = skeleton()
    fill(made, market)
    return made


def choose(known: Sequence[Pair], symbol: str) -> Pair | None:
    """The pair of `symbol` among those there are; the first, if it is traded in several currencies."""
    return next((pair for pair in known if pair.symbol == symbol), None)
