"""What the exercises of unit 10 check."""

import base64
import datetime as dt
import json
import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from plotly.basedatatypes import BaseFigure
from plotly.subplots import make_subplots

from lab_utils.teaching.compare import different_items, rows_by_key, rows_of, same_number
from lab_utils.teaching.schemas import Schema, Tick
from lab_utils.teaching.trial import Trial, short
from lab_utils.teaching.units import exercise

TITLE = "Dashboards"
MINUTES = 50

ELSEWHERE = "Asia/Kolkata"
"""Half an hour beside the full hours of UTC."""

PRICES = ("open", "high", "low", "close")
START = dt.datetime(2026, 3, 10, 22, 58, tzinfo=dt.UTC)
"""The candles reach over a full hour, and in Kolkata they are of the next day."""

Candle = tuple[int, str, str, str, str, str]
"""(minutes from START, open, high, low, close, volume)."""

CANDLES: tuple[Candle, ...] = (
    (0, "100", "104.5", "99.25", "102", "3"),
    (1, "102", "103", "101", "101.5", "0.5"),
    (2, "101.5", "109", "101.5", "108", "4"),
    (3, "108", "108.5", "90", "91", "12.25"),
    (4, "91", "95", "90.5", "94.125", "0"),
    (5, "94.125", "96", "93", "95", "2"),
    # six minutes without a candle
    (12, "120", "121", "117", "118", "7"),
    (13, "118", "118", "111", "112", "1"),
    (14, "112", "130", "112", "127", "9"),
    (15, "127", "128", "126", "126.5", "0.125"),
    (16, "126.5", "127", "119", "120", "6"),
    (79, "80", "82", "79", "81", "5"),
)


def _at(minutes: int) -> dt.datetime:
    return START + dt.timedelta(minutes=minutes)


def _table(rows: Sequence[Candle], zone: str = "UTC", *, exact: bool = False) -> pd.DataFrame:
    """Candles as `read_sql` makes a table of them; without rows its columns have no type."""
    frame = pd.DataFrame(
        [(_at(minutes), *map(Decimal, values)) for minutes, *values in rows],
        columns=["window_start", *PRICES, "volume"],
        dtype=object,
    )
    if rows:
        frame["window_start"] = pd.to_datetime(frame["window_start"], utc=True).dt.tz_convert(zone)
    if rows and not exact:
        frame = frame.astype(dict.fromkeys([*PRICES, "volume"], float))
    return frame


def _clock(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _number(value: object) -> str:
    return "NaN" if _is_unknown(value) else f"{value:.9g}" if isinstance(value, float | Decimal) else short(value)


def _is_unknown(value: object) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _what(result: object) -> str:
    """What an answer returned instead of a figure or a table."""
    return "None. Is there a `return`?" if result is None else f"a value of the type {type(result).__name__}."


def _is_left_alone(trial: Trial, table: pd.DataFrame, before: pd.DataFrame, given: str) -> None:
    trial.stage("input left alone")
    assert list(table.columns) == list(before.columns), (
        f"{given} changed the table that it was given: its columns are {', '.join(map(str, table.columns))} now."
    )
    assert table.equals(before) and table.index.equals(before.index), f"{given} changed the table that it was given."


# --- What a browser would draw ----------------------------------------------------------------------------------


def _drawn(trial: Trial, draw: Callable[..., Any], table: pd.DataFrame, pair: str, given: str) -> dict[str, Any]:
    """The figure of an answer, as a browser gets it."""
    trial.stage("returns a figure")
    figure = trial.call(draw, table, pair, given=given)
    assert isinstance(figure, BaseFigure), f"{given} returned no figure, but {_what(figure)}"
    return dict(json.loads(figure.to_json()))


def _values(part: Any) -> list[Any]:
    """The numbers or texts of a trace; plotly packs numbers into base64. None where a number is not known."""
    if isinstance(part, dict):
        numbers = np.frombuffer(base64.b64decode(part["bdata"]), dtype=part["dtype"]).tolist()
        return [None if isinstance(number, float) and math.isnan(number) else number for number in numbers]
    return list(part or [])


def _same_times(trial: Trial, trace: dict[str, Any], wanted: Sequence[dt.datetime], given: str) -> None:
    """Look at the clock times on the x axis: plotly passes over a zone behind them."""
    kind, values = trace["type"], _values(trace.get("x"))
    trial.stage("how many")
    assert len(values) == len(wanted), (
        f"{given}: the {kind} has {len(values)} points, of a table with {len(wanted)} candles."
    )
    trial.stage("the clock")
    times = []
    for value in values:
        try:
            times.append(dt.datetime.fromisoformat(value[:19]))
        except (TypeError, ValueError):
            raise AssertionError(
                f"{given}: `x` of the {kind} holds {short(value)}, which is no date and time."
            ) from None
    right = [moment.replace(tzinfo=None) for moment in wanted]
    for time, moment in zip(sorted(times), sorted(right), strict=True):
        assert time == moment, (
            f"{given}: on the x axis of the {kind} there is {_clock(time)}, and in UTC no candle has that time."
        )
    trial.stage("order")
    assert times == right, f"{given}: {_clock(times[0])} comes first and {_clock(times[-1])} last, out of order."


def _same_numbers(trace: dict[str, Any], name: str, wanted: Sequence[float | None], given: str) -> None:
    seen = _values(trace.get(name))
    assert len(seen) == len(wanted), (
        f"{given}: `{name}` of the {trace['type']} has {len(seen)} values, and there are {len(wanted)} candles."
    )
    for number, (mine, right) in enumerate(zip(seen, wanted, strict=True), 1):
        is_same = mine is None if right is None else same_number(mine, right)
        assert is_same, (
            f"{given}: `{name}` of the {trace['type']} is {_number(mine)} at candle {number}, counted from the oldest, "
            f"and in the table {'it is not known' if right is None else f'there is {_number(right)}'}."
        )


def _axis_titles(layout: dict[str, Any]) -> list[str]:
    return [_text(axis.get("title")) for name, axis in layout.items() if name.startswith("xaxis")]


def _text(title: Any) -> str:
    return str(title.get("text") or "") if isinstance(title, dict) else str(title or "")


@exercise(
    "10.1",
    "A chart of candles",
    seconds=20,
    hints=[
        "Four steps: put the rows in order, make UTC of the times, take the zone off, make the figure. Each of them gives a new table or column, none changes the "
        "old one.",
        '`pd.to_datetime(candles["window_start"], utc=True)` is in UTC whatever came, and also works without rows; `.dt.tz_localize(None)` takes the zone off.',
        '    in_order = candles.sort_values("window_start")\n'
        "    times = …\n"
        '    figure = go.Figure(go.Candlestick(x=times, open=in_order["open"], …))\n'
        "    figure.update_layout(title=…, xaxis_title=…, xaxis_rangeslider_visible=…)\n"
        "    return figure",
    ],
)
def check_candle_figure(trial: Trial, candle_figure: Callable[..., Any]) -> None:
    trial.is_callable(candle_figure, "candle_figure")
    some, shuffled = CANDLES[:6], (CANDLES[7], CANDLES[2], CANDLES[11], CANDLES[0], CANDLES[9])
    for table, rows, pair, words in (
        (_table(some), some, "BTC/USD", "six candles"),
        (_table(some, ELSEWHERE), some, "BTC/USD", f"six candles, times of {ELSEWHERE}"),
        (_table(shuffled), shuffled, "ETH/EUR", "five candles, not in order"),
        (_table(some, exact=True), some, "XRP/USD", "six candles, prices as Decimal"),
        (_table(()), (), "DOGE/USD", "no rows"),
    ):
        given = f"candle_figure(…{words}…, {pair!r})"
        before = table.copy()
        figure = _drawn(trial, candle_figure, table, pair, given)
        _check_candles(trial, figure, sorted(rows), pair, given)
        _is_left_alone(trial, table, before, given)


def _check_candles(trial: Trial, figure: dict[str, Any], rows: Sequence[Candle], pair: str, given: str) -> None:
    trial.stage("one trace of candles")
    kinds = [trace["type"] for trace in figure["data"]]
    assert kinds == ["candlestick"], f"{given}: the figure has the traces {', '.join(kinds) or 'none'}."
    (trace,) = figure["data"]
    _same_times(trial, trace, [_at(row[0]) for row in rows], given)
    trial.stage("prices")
    for place, name in enumerate(PRICES, 1):
        _same_numbers(trace, name, [float(row[place]) for row in rows], given)
    trial.stage("titles")
    layout = figure["layout"]
    assert pair in _text(layout.get("title")), f"{given}: the title of the figure is {_text(layout.get('title'))!r}."
    titles = _axis_titles(layout)
    assert any(re.search(r"\bUTC\b", title) for title in titles), (
        f"{given}: the title of the x axis is {''.join(titles)!r}. Whose clock is it?"
    )
    trial.stage("range slider")
    assert layout["xaxis"].get("rangeslider", {}).get("visible") is False, f"{given}: the range slider is not off."


@exercise(
    "10.2",
    "An average that knows only the past",
    seconds=20,
    hints=[
        "`rolling(5)` takes five rows, wherever they come from. Which rows may stand side by side and be more than a minute apart?",
        'With times as its index, `closes.rolling("5min")` looks back over five minutes; `min_periods` says how many values there must be. Or make a row for each minute first, '
        "as the lesson does.",
        '    closes = candles["close"].astype(float)\n'
        '    closes.index = pd.DatetimeIndex(candles["window_start"])\n'
        "    averages = closes.rolling(…, min_periods=…).mean()\n"
        "    return candles.assign(average=…)\n"
        "`assign` makes a new table. The index of `averages` is another one than that of `candles`: `.to_numpy()` leaves it behind.",
    ],
)
def check_with_average(trial: Trial, with_average: Callable[..., Any]) -> None:
    trial.is_callable(with_average, "with_average")
    for table, rows, minutes, words in (
        (_table(CANDLES), CANDLES, 3, "twelve candles with a gap"),
        (_table(CANDLES[2:], ELSEWHERE, exact=True), CANDLES[2:], 2, "ten candles, prices as Decimal"),
        (_table(CANDLES[:6]), CANDLES[:6], 5, "six candles"),
        (_table(CANDLES), CANDLES, 1, "twelve candles with a gap"),
        (_table(CANDLES[:2]), CANDLES[:2], 4, "two candles"),
        (_table(()), (), 5, "no rows"),
    ):
        given = f"with_average(…{words}…, {minutes})"
        before = table.copy()
        trial.stage("returns a table")
        result = trial.call(with_average, table, minutes, given=given)
        _is_table(result, [*before.columns, "average"], given)
        trial.stage("the rows stay")
        assert len(result) == len(rows), f"{given} has {len(result)} rows, of {len(rows)}."
        kept = {name: list(result[name]) == list(before[name]) for name in before.columns}
        assert all(kept.values()), f"{given}: `{next(name for name in kept if not kept[name])}` is not as it was."
        trial.stage("average")
        for minute, seen, right in zip(
            [row[0] for row in rows], result["average"], _averages(rows, minutes), strict=True
        ):
            is_same = _is_unknown(seen) if right is None else same_number(seen, right)
            assert is_same, (
                f"{given}: at {_clock(_at(minute))} UTC the `average` is {_number(seen)}. {_why(rows, minute, minutes)}"
            )
        _is_left_alone(trial, table, before, given)


def _is_table(result: object, columns: Sequence[str], given: str) -> None:
    assert isinstance(result, pd.DataFrame), f"{given} returned no DataFrame, but {_what(result)}"
    missing = [column for column in columns if column not in result.columns]
    assert not missing, f"{given} has the columns {', '.join(map(str, result.columns))}: there is no `{missing[0]}`."


def _averages(rows: Sequence[Candle], minutes: int) -> list[float | None]:
    closes = {row[0]: float(row[4]) for row in rows}
    return [
        statistics.fmean(closes[minute - back] for back in range(minutes))
        if all(minute - back in closes for back in range(minutes))
        else None
        for minute in closes
    ]


def _why(rows: Sequence[Candle], minute: int, minutes: int) -> str:
    there = sum(minute - minutes < row[0] <= minute for row in rows)
    is_known = "" if there == minutes else ", so it is not known (NaN)"
    return f"Of the {minutes} minutes up to this one, {there} {'has' if there == 1 else 'have'} a candle{is_known}."


WIDER_SAYS = {
    "open": "Is it the first of the slot?",
    "high": "Is it the highest of the slot?",
    "low": "Is it the lowest of the slot?",
    "close": "Is it the last of the slot?",
    "volume": "Is it all that was traded in the slot?",
}


@exercise(
    "10.3",
    "Wider candles",
    seconds=20,
    hints=[
        "Each column has its own rule: the first, the highest, the lowest, the last, the sum. `resample` makes a row for each slot, also for an empty one.",
        "Slots are cut by the clock of the index. Whose clock does it have when the times are of another zone? `pd.to_datetime(…, utc=True)` answers for all of them.",
        '    numbers = candles[["open", …]].astype(float)\n'
        "    numbers.index = pd.to_datetime(…)\n"
        '    return numbers.resample(f"{minutes}min").agg({"open": …, "high": …, …}).reset_index()',
    ],
)
def check_wider(trial: Trial, wider: Callable[..., Any]) -> None:
    trial.is_callable(wider, "wider")
    shuffled = (*CANDLES[6:], *reversed(CANDLES[:6]))
    for table, rows, minutes, words in (
        (_table(CANDLES[:6]), CANDLES[:6], 5, "six candles"),
        (_table(CANDLES), CANDLES, 5, "twelve candles with a gap"),
        (_table(CANDLES, ELSEWHERE), CANDLES, 60, f"twelve candles, times of {ELSEWHERE}"),
        (_table(CANDLES, exact=True), CANDLES, 15, "twelve candles, prices as Decimal"),
        (_table(shuffled), shuffled, 15, "twelve candles, not in order"),
        (_table(()), (), 5, "no rows"),
    ):
        given = f"wider(…{words}…, {minutes})"
        before = table.copy()
        trial.stage("returns a table")
        result = trial.call(wider, table, minutes, given=given)
        found = rows_of(result, ["window_start", *PRICES, "volume"], given)
        wanted = _wider(rows, minutes)
        trial.stage("slots")
        mine = rows_by_key(found, wanted, lambda row: row["window_start"], given, lambda start: f"{_clock(start)} UTC")
        for name in (*PRICES, "volume"):
            trial.stage(name)
            for start, row in mine.items():
                right = wanted[start][name]
                is_same = row[name] is None if right is None else same_number(row[name], right)
                says = WIDER_SAYS[name] if right is not None else "There is no candle in that slot."
                assert is_same, (
                    f"{given}: in the slot of {_clock(start)} UTC the `{name}` is {_number(row[name])}. {says}"
                )
        trial.stage("order")
        starts = [row["window_start"] for row in found]
        assert starts == sorted(starts), f"{given}: {_clock(starts[0])} UTC comes first, and earlier ones behind it."
        _is_left_alone(trial, table, before, given)


def _wider(rows: Sequence[Candle], minutes: int) -> dict[dt.datetime, dict[str, float | None]]:
    """Slot → its candle."""
    if not rows:
        return {}
    width = dt.timedelta(minutes=minutes)
    midnight = START.replace(hour=0, minute=0)
    slots: dict[int, list[Candle]] = {}
    for row in sorted(rows):
        slots.setdefault((_at(row[0]) - midnight) // width, []).append(row)
    found: dict[dt.datetime, dict[str, float | None]] = {}
    for number in range(min(slots), max(slots) + 1):
        inside = slots.get(number, [])
        candle: dict[str, float | None] = dict.fromkeys(PRICES)
        if inside:
            highs, lows = [float(row[2]) for row in inside], [float(row[3]) for row in inside]
            candle = {"open": float(inside[0][1]), "high": max(highs), "low": min(lows), "close": float(inside[-1][4])}
        found[midnight + number * width] = {**candle, "volume": sum(float(row[5]) for row in inside)}
    return found


def _skeleton() -> Any:
    """As in the exercise."""
    chart = make_subplots(rows=2, shared_xaxes=True)
    chart.add_candlestick(name="candles", row=1, col=1)
    chart.add_scatter(name="average", mode="lines", row=1, col=1)
    chart.add_bar(name="volume", row=2, col=1)
    chart.update_layout(xaxis_rangeslider_visible=False)
    chart.update_xaxes(title="UTC", row=2, col=1)
    return chart


@exercise(
    "10.4",
    "Fill a chart in place",
    seconds=20,
    hints=[
        "`chart.data` holds the three traces, in the order in which `skeleton` made them. Change those; nothing is added and nothing returned.",
        "`trace.update(x=…, y=…)` sets the data of a trace. Which data does each of the three take?",
        "The reader's zoom is kept by the browser as long as `uirevision` of the layout stays the same. What is the same for each look at a pair, and another for another pair?",
        "    bodies, line, bars = chart.data\n"
        '    bodies.update(x=times, open=candles["open"], …)\n'
        "    …\n"
        "    chart.update_layout(title=…, uirevision=…)",
    ],
)
def check_fill(trial: Trial, fill: Callable[..., Any]) -> None:
    trial.is_callable(fill, "fill")
    chart = _skeleton()
    traces = chart.data
    revisions: list[tuple[str, Any]] = []
    for rows, pair, words in (
        (CANDLES[:4], "BTC/USD", "four candles"),
        (CANDLES[:7], "BTC/USD", f"then seven, times of {ELSEWHERE}"),
        (CANDLES[5:8], "BTC/USD", "then three others"),
        (CANDLES[8:11], "ETH/USD", "then another pair"),
        ((), "DOGE/USD", "then a pair without rows"),
        (CANDLES[:2], "BTC/USD", "then the first pair again"),
    ):
        given = f"fill(chart, …{words}…, {pair!r})"
        averages = [None, *[float(row[4]) + 0.5 for row in rows[1:]]] if rows else []
        table = _table(rows, ELSEWHERE if ELSEWHERE in words else "UTC").assign(
            average=pd.Series(averages, dtype=float if rows else object)
        )
        before = table.copy()
        trial.stage("the same figure")
        result = trial.call(fill, chart, table, pair, given=given)
        assert result is None or result is chart, (
            f"{given} returned {type(result).__name__}. The host shows the chart that it passed, and knows of no other."
        )
        assert len(chart.data) == len(traces), f"{given}: the chart has {len(chart.data)} traces now."
        same = all(mine is old for mine, old in zip(chart.data, traces, strict=True))
        assert same, f"{given}: the chart has other traces than before. A browser would draw it anew."
        drawn = json.loads(chart.to_json())
        _check_filled(trial, drawn, rows, averages, pair, given)
        revisions.append((pair, drawn["layout"].get("uirevision")))
        _is_left_alone(trial, table, before, given)
    _check_zoom(trial, revisions)


def _check_filled(
    trial: Trial, drawn: dict[str, Any], rows: Sequence[Candle], averages: Sequence[float | None], pair: str, given: str
) -> None:
    bodies, line, bars = drawn["data"]
    moments = [_at(row[0]) for row in rows]
    for trace, columns in (
        (bodies, {name: [float(row[place]) for row in rows] for place, name in enumerate(PRICES, 1)}),
        (line, {"y": averages}),
        (bars, {"y": [float(row[5]) for row in rows]}),
    ):
        _same_times(trial, trace, moments, given)
        trial.stage(f"data of the {trace['type']}")
        for name, wanted in columns.items():
            _same_numbers(trace, name, wanted, given)
    trial.stage("title")
    title = _text(drawn["layout"].get("title"))
    assert pair in title, f"{given}: the title of the figure is {title!r}."


def _check_zoom(trial: Trial, revisions: Sequence[tuple[str, Any]]) -> None:
    trial.stage("zoom")
    first = revisions[0][1]
    assert first, f"`uirevision` of the layout is {first!r}: the zoom is lost at each look."
    for pair, revision in revisions:
        is_first = pair == revisions[0][0]
        assert not is_first or revision == first, (
            f"`uirevision` was {short(first)} and became {short(revision)}, for the same pair: the zoom is lost."
        )
        assert is_first or revision != first, (
            f"`uirevision` is {short(revision)} for {pair} as well: it is shown with the zoom of {revisions[0][0]}."
        )


HOUR_END = dt.datetime(2026, 3, 11, 0, 20, 5, 300_000, tzinfo=dt.UTC)
"""The newest tick. In Kolkata it is 05:50."""


def _tick(
    seconds: float, symbol: str, price: str, size: str | None = "1", *, currency: str = "USD", kind: str = "crypto"
) -> Tick:
    """A tick so many seconds before the newest one; `seconds` count from its whole second."""
    moment = HOUR_END.replace(microsecond=0) - dt.timedelta(seconds=seconds)
    return (kind, symbol, currency, Decimal(price), None if size is None else Decimal(size), moment)


VIEW_TICKS: list[Tick] = [
    _tick(9000, "BTC", "72000"),
    _tick(3601, "BTC", "72990"),
    _tick(3600, "ETH", "2400", "3"),  # an hour older: not in it any more
    _tick(3599.4, "ETH", "2399"),  # neither is this one, whose second is an hour older
    _tick(3599, "BTC", "73000.25", "0.5"),
    _tick(1205.4, "BTC", "73001", None),  # 23:59:59.6, the last second of a day
    _tick(600.01, "ETH", "2410", "2"),
    _tick(600.01, "ETH", "2410", "2"),  # two ticks that are alike in all that the view shows
    _tick(600.5, "ETH", "2410.5", "0"),
    _tick(300, "XRP", "0.000561", "40", currency="ETH"),
    _tick(299.25, "XRP", "1.36", "40"),
    _tick(-0.3, "ADA", "0.41", "100"),
    _tick(-900, "AAPL", "268.4", "10", kind="stock"),  # newer, and of another table
]
VIEW_COLUMNS = ("pair", "event_time_utc", "price", "size")


def _in_view(ticks: Sequence[Tick]) -> Counter[tuple[Any, ...]]:
    coins = [
        (f"{symbol}/{currency}", moment.replace(microsecond=0, tzinfo=None), price, size)
        for kind, symbol, currency, price, size, moment in ticks
        if kind == "crypto"
    ]
    newest = max((row[1] for row in coins), default=dt.datetime.min)
    return Counter(row for row in coins if newest - row[1] < dt.timedelta(hours=1))


@exercise(
    "10.5",
    "A view for DirectQuery",
    needs=["postgres"],
    seconds=20,
    hints=[
        "`event_time AT TIME ZONE 'UTC'` is what the clock in UTC shows. `event_time::timestamp` is what the clock of the session shows.",
        "`::timestamp(0)` rounds; `date_trunc('second', …)` cuts. `||` joins texts.",
        "Where the hour begins is a query of its own, in parentheses: `(SELECT max(…) FROM crypto_data) - interval '1 hour'`. The "
        "max of what: of the moments, or of their seconds?",
        "    CREATE OR REPLACE VIEW crypto_prices AS\n"
        "    SELECT … AS pair, date_trunc(…) AS event_time_utc, price, size\n"
        "    FROM crypto_data\n"
        "    WHERE … > (SELECT max(…) FROM crypto_data) - interval '1 hour'",
    ],
)
def check_view(trial: Trial, view: object) -> None:
    schema = trial.schema()
    schema.add_ticks(VIEW_TICKS)
    statement = _statement(trial, "VIEW", view)
    for given in ("VIEW", "VIEW, a second time"):
        _carry_out(trial, schema, statement, given)
    trial.stage("is a view")
    kind = schema.execute("SELECT relkind FROM pg_class WHERE oid = to_regclass('crypto_prices')")
    kinds = {"r": "a table", "m": "a materialized view"}
    assert kind, "There is no `crypto_prices` after it."
    assert kind[0][0] == "v", (
        f"`crypto_prices` is {kinds.get(kind[0][0], 'no view')}: ticks that come later are not in it."
    )
    trial.stage("columns")
    types = dict(
        schema.execute(
            "SELECT column_name::text, data_type::text FROM information_schema.columns"
            f" WHERE table_schema = '{schema.name}' AND table_name = 'crypto_prices'"
        )
    )
    missing = [column for column in VIEW_COLUMNS if column not in types]
    assert not missing, f"The view has the columns {', '.join(types)}: there is no `{missing[0]}`."
    seen = types["event_time_utc"]
    assert seen == "timestamp without time zone", f"`event_time_utc` is a {seen}."
    for column in ("price", "size"):
        assert types[column] == "numeric", f"`{column}` is a {types[column]}, and in the table it is exact."
    _check_rows(trial, schema, VIEW_TICKS, "")
    later = [_tick(-1800.9, "BTC", "73100", "0.25")]
    schema.add_ticks(later)
    _check_rows(trial, schema, [*VIEW_TICKS, *later], " after half an hour, and one more tick")
    schema.clear()
    _check_rows(trial, schema, [], " of a table without rows")


def _check_rows(trial: Trial, schema: Schema, ticks: Sequence[Tick], when: str) -> None:
    wanted = _in_view(ticks)
    for zone in ("UTC", ELSEWHERE):
        given = f"The view{when}, read in a session of {zone}"
        rows = _read(schema, zone)
        trial.stage("times")
        clocks = {row[1] for row in wanted}
        for row in rows:
            time = row[1]
            assert time is None or not time.microsecond, f"{given}, has the time {time}, with a fraction of a second."
            assert time in clocks, f"{given}, has a row of {time}, {row[0]} at {_number(row[2])}. {_about(time, ticks)}"
        trial.stage("which rows")
        missing = clocks - {row[1] for row in rows}
        assert not missing, f"{given}, has {len(rows)} rows, and none of {min(missing)}."
        trial.stage("pairs")
        different = different_items([row[0] for row in rows], [row[0] for row in wanted.elements()], "rows of a pair")
        assert not different, f"{given}: {different}"
        trial.stage("values")
        extra = Counter(rows) - wanted
        assert not extra, f"{given}, has a row that no tick explains: {_row(next(iter(extra)))}."


def _read(schema: Schema, zone: str) -> list[tuple[Any, ...]]:
    """What a dashboard reads, as the dashboards' role."""
    with schema.engine(zone).connect() as connection:
        return [
            tuple(row)
            for row in connection.exec_driver_sql("SELECT pair, event_time_utc, price, size FROM crypto_prices")
        ]


def _about(time: dt.datetime, ticks: Sequence[Tick]) -> str:
    """What there is to say of a time that does not belong there."""
    seconds = {tick[5].replace(microsecond=0, tzinfo=None) for tick in ticks if tick[0] == "crypto"}
    if time in seconds:
        return f"The newest tick is of {max(seconds)} UTC, in whole seconds."
    return "No tick of a coin came in that second of UTC."


def _row(row: tuple[Any, ...]) -> str:
    pair, time, price, size = row
    return f"{pair}, {time}, price {_number(price)}, size {'NULL' if size is None else _number(size)}"


def _statement(trial: Trial, name: str, answer: object) -> str:
    """The SQL of an answer, which may be wrapped in SQLAlchemy's `text`."""
    trial.stage("is a statement")
    statement = getattr(answer, "text", answer)
    assert isinstance(statement, str), f"`{name}` is {short(answer)}, not a text with a statement of SQL."
    return statement


def _carry_out(trial: Trial, schema: Schema, statement: str, given: str) -> None:
    """Do what an answer says, as the owner, each statement by itself."""
    connection = schema.connection()
    connection.autocommit = True
    trial.stage("can be carried out")
    with connection.cursor() as cursor:
        trial.call(cursor.execute, statement, given=given)


TICKS_A_DAY = 21_600
REPORT = {
    "the ticks of a few minutes": """
        select "_"."minute_utc", max("_"."price") as "a0" from "crypto_by_minute" "_"
        where "_"."minute_utc" >= timestamp '2026-03-10 12:00:00' and "_"."minute_utc" < timestamp '2026-03-10 12:10:00'
        group by "_"."minute_utc" limit 1000001
    """,
    "the first and the last minute": """
        select max("rows"."minute_utc") as "a0", min("rows"."minute_utc") as "a1"
        from (select "$Table"."minute_utc" from "crypto_by_minute" "$Table") "rows"
    """,
    "the ticks of a coin in a few minutes": """
        select "rows"."price" from (select "$Table"."symbol", "$Table"."minute_utc", "$Table"."price" from "crypto_by_minute" "$Table") "rows"
        where "rows"."symbol" = 'ETH' and "rows"."minute_utc" >= timestamp '2026-03-10 12:00:00'
          and "rows"."minute_utc" < timestamp '2026-03-10 12:10:00'
    """,
}


@exercise(
    "10.6",
    "The index of a view",
    needs=["postgres"],
    seconds=30,
    hints=[
        "An index on `event_time` sorts `event_time`. What do the filters of the report ask for?",
        "An index of an expression: `CREATE INDEX ON table ((expression))`, with two pairs of parentheses. It is an index of the table; a view has none.",
        "The expression must be written as in the view, every part of it.",
    ],
)
def check_index(trial: Trial, index: object) -> None:
    schema = trial.schema()
    schema.execute(f"""
        INSERT INTO crypto_data (symbol, currency, price, event_time, ingest_time, source, version, kafka_partition, kafka_offset)
        SELECT (ARRAY['BTC', 'ETH', 'SOL'])[1 + number % 3], 'USD', 100 + number % 89, moment, moment, 'check', 1, 0, number
        FROM (SELECT number, timestamptz '2026-03-10 00:00Z' + number * interval '4 seconds' AS moment
              FROM generate_series(0, {TICKS_A_DAY - 1}) AS number) AS ticks;
        CREATE VIEW crypto_by_minute AS
        SELECT symbol, date_trunc('minute', event_time AT TIME ZONE 'UTC') AS minute_utc, price FROM crypto_data
    """)
    definition = "SELECT pg_get_viewdef('crypto_by_minute'::regclass)"
    before = schema.execute(definition)
    _carry_out(trial, schema, _statement(trial, "INDEX", index), "INDEX")
    trial.stage("the view stays")
    assert schema.execute(
        f"SELECT 1 FROM pg_views WHERE schemaname = '{schema.name}' AND viewname = 'crypto_by_minute'"
    ), "The view `crypto_by_minute` is gone."
    assert schema.execute(definition) == before, "The view `crypto_by_minute` is another one than before."
    trial.stage("makes an index")
    schema.execute("ANALYZE crypto_data")
    made = schema.execute(
        f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema.name}' AND tablename = 'crypto_data' AND indexname <> 'crypto_data_pkey'"
    )
    assert made, "`crypto_data` has no other index than before."
    for words, query in REPORT.items():
        trial.stage(words)
        read = [node for node in _nodes(_plan(schema, query)) if node.get("Relation Name") == "crypto_data"]
        whole = [node for node in read if node["Node Type"] == "Seq Scan" or not _looks_up(node)]
        assert not whole, (
            f"For {words} the server still looks at all ticks ({whole[0]['Node Type']}), with {_short_definition(made[0][0])}."
        )


def _plan(schema: Schema, query: str) -> dict[str, Any]:
    with schema.engine().connect() as connection:
        connection.exec_driver_sql("SET max_parallel_workers_per_gather = 0")
        (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {query}").scalar_one()
    return dict(plan["Plan"])


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", []) for node in _nodes(part))]


def _looks_up(node: dict[str, Any]) -> bool:
    """Whether a scan goes by the minute: a bitmap's index is a node of its own, below it."""
    return any("date_trunc" in each.get("Index Cond", "") for each in _nodes(node))


def _short_definition(definition: str) -> str:
    """`an index on (…)`."""
    return f"an index on {definition.partition(' USING ')[2].partition(' ')[2]}"
