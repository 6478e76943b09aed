"""The market chart as a function of what the database said: its data, its words, and what stays when it changes."""

import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import plotly.graph_objects as go
import pytest

from lab_utils.dashboard.market import RANGES, Market, Pair, choose, figure, fill, readable, readable_age, skeleton

BTC = Pair("crypto", "BTC", "USD")
HOUR = RANGES[1]
START = datetime(2026, 11, 24, 23, 58, tzinfo=UTC)


def market(closes: list[float], pair: Pair = BTC) -> Market:
    times = [START + timedelta(minutes=number) for number in range(len(closes))]
    candles = pd.DataFrame(
        {
            "window_start": pd.to_datetime(pd.Series(times, dtype=object), utc=True),
            "open": [close - 1 for close in closes],
            "high": [close + 2 for close in closes],
            "low": [close - 3 for close in closes],
            "close": closes,
            "volume": [10.0 * close for close in closes],
            "average_5": closes,
            "average_20": [None] * len(closes),
        }
    )
    return Market(pair, HOUR, candles, closes[-1] if closes else None, times[-1] if closes else None)


def test_the_chart_has_the_candles_the_averages_and_the_volume_that_were_read() -> None:
    candles, fast, slow, volume = figure(market([100.0, 101.0])).data
    assert [list(candles[name]) for name in ("open", "high", "low", "close")] == [
        [99.0, 100.0],
        [102.0, 103.0],
        [97.0, 98.0],
        [100.0, 101.0],
    ]
    assert (list(fast.y), list(slow.y), list(volume.y)) == ([100.0, 101.0], [None, None], [1000.0, 1010.0])


def test_the_times_are_utc_without_a_zone_that_the_browser_could_move() -> None:
    shown = json.loads(figure(market([1.0, 2.0, 3.0])).to_json())["data"][0]["x"]
    assert [time.removesuffix(".000000") for time in shown] == [
        *("2026-11-24 23:58:00", "2026-11-24 23:59:00", "2026-11-25 00:00:00")
    ]


def test_the_axis_shows_the_whole_range_up_to_the_newest_candle() -> None:
    first, last = map(datetime.fromisoformat, figure(market([1.0, 2.0])).layout.xaxis.range)
    assert last - first == HOUR.span
    assert first < datetime(2026, 11, 24, 23, 59) < last


def test_a_chart_without_candles_says_so_and_stops_saying_so() -> None:
    made = figure(market([]))
    assert [note.text for note in made.layout.annotations] == ["No candles of BTC/USD yet"]
    fill(made, market([5.0]))
    assert not made.layout.annotations


def test_a_chart_is_filled_in_place_and_keeps_the_readers_zoom_until_another_pair_is_chosen() -> None:
    made = skeleton()
    fill(made, market([1.0]))
    traces, zoom = made.data, made.layout.uirevision
    fill(made, market([1.0, 2.0]))
    assert made.data == traces and made.layout.uirevision == zoom
    assert list(made.data[0].close) == [1.0, 2.0]
    fill(made, market([1.0], Pair("crypto", "ETH", "USD")))
    assert made.layout.uirevision != zoom


def test_the_chart_of_a_day_is_small_enough_to_be_sent_every_second() -> None:
    assert len(figure(market([73_783.09] * 96)).to_json()) < 40_000


def test_the_words_name_price_time_and_age() -> None:
    words = market([73_783.094]).words(START + timedelta(seconds=2.4))
    assert words == "BTC/USD: 73,783.09 at 2026-11-24 23:58:00 UTC, 2 s ago"


def test_without_a_tick_the_words_name_the_command_that_brings_some() -> None:
    assert market([]).words(START) == "No tick of BTC/USD yet. They come with: lab start"


@pytest.mark.parametrize(
    ("price", "shown"),
    [(73_783.094, "73,783.09"), (1.0, "1.00"), (0.5123, "0.5123"), (0.000012346, "0.000012346"), (0.0, "0.00")],
)
def test_a_price_is_shown_with_the_digits_that_matter(price: float, shown: str) -> None:
    assert readable(price) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-1, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (180_000, "2 days")]
)
def test_an_age_is_shown_in_the_unit_that_people_use(seconds: float, shown: str) -> None:
    assert readable_age(seconds) == shown


def test_a_symbol_names_the_first_of_its_pairs() -> None:
    known = [Pair("crypto", "XRP", "ETH"), Pair("crypto", "XRP", "USD")]
    assert (choose(known, "XRP"), choose(known, "BTC")) == (known[0], None)


def test_the_skeleton_is_a_plain_figure() -> None:
    assert type(skeleton()) is go.Figure
