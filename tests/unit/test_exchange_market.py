"""The market behind the local exchange: endless, in order, never ahead of the clock, and the same for one seed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.feeds.exchange.faults import KINDS, Faults, parse_fault
from lab_utils.feeds.exchange.market import Entry, Market, MarketTick, read_entries
from lab_utils.settings import ROOT

OPENED = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return read_entries(ROOT / "data_samples")


@pytest.fixture(scope="module")
def thin(entries: list[Entry]) -> list[Entry]:
    """Every twentieth tick: hours pass more quickly."""
    return entries[::20]


def run(entries: list[Entry], seconds: float, *, speed: float = 1, seed: int = 0) -> list[MarketTick]:
    clock = Clock()
    market = Market(entries, speed, seed, clock, OPENED)
    found = market.advance()
    for _ in range(20):
        clock.now += seconds / 20
        found += market.advance()
    return found


def test_each_tick_of_the_recordings_happens_once_an_hour(thin: list[Entry]) -> None:
    assert len(run(thin, 3600)) == pytest.approx(len(thin), abs=3)
    assert len(run(thin, 2 * 3600)) == pytest.approx(2 * len(thin), abs=6)


def test_it_begins_again_with_time_going_on(thin: list[Entry]) -> None:
    ticks = [tick for tick in run(thin, 3 * 3600) if tick.symbol == "BTC"]
    for number, tick in enumerate(ticks[1:], 1):
        # Some arrive late, by three seconds at most.
        assert (tick.event_time - ticks[number - 1].event_time).total_seconds() > -3.1
    assert (ticks[-1].event_time - OPENED).total_seconds() == pytest.approx(3 * 3600, abs=60)


@pytest.mark.parametrize("speed", [0.5, 1, 60])
def test_no_tick_is_dated_after_it_arrives(thin: list[Entry], speed: float) -> None:
    clock = Clock()
    market = Market(thin, speed, 0, clock, OPENED)
    for _ in range(200):
        clock.now += 0.5
        for tick in market.advance():
            assert (tick.event_time - OPENED).total_seconds() <= clock.now - 50 + 0.001


def test_a_faster_market_has_more_ticks_in_the_same_time(entries: list[Entry]) -> None:
    assert len(run(entries, 60, speed=10)) == pytest.approx(10 * len(run(entries, 60)), rel=0.1)


def test_there_is_a_price_of_each_symbol_before_the_first_tick(entries: list[Entry]) -> None:
    market = Market(entries, 1, 0, Clock(), OPENED)
    assert set(market.latest) == {entry.symbol for entry in entries}
    assert all(tick.event_time < OPENED for tick in market.latest.values())
    assert all(tick.trade_size != "0" for tick in market.latest.values())


def test_the_newest_price_never_goes_back_in_time(entries: list[Entry]) -> None:
    clock = Clock()
    market = Market(entries, 1, 0, clock, OPENED)
    before = market.latest["BTC"].event_time
    for _ in range(600):
        clock.now += 1
        market.advance()
        assert market.latest["BTC"].event_time >= before
        before = market.latest["BTC"].event_time


def test_the_same_seed_is_the_same_market_and_another_one_is_not(entries: list[Entry]) -> None:
    assert run(entries, 30, seed=7) == run(entries, 30, seed=7)
    assert [tick.fields for tick in run(entries, 30, seed=7)] != [tick.fields for tick in run(entries, 30, seed=8)]


def test_a_price_update_without_a_trade_repeats_the_trade_before(entries: list[Entry]) -> None:
    found: dict[str, MarketTick] = {}
    updates = 0
    for tick in run(entries, 600):
        before = found.get(tick.symbol)
        if tick.fields["size"] is None and before is not None:
            updates += 1
            assert (tick.trade, tick.trade_size) == (before.trade, before.trade_size)
        elif before is not None:
            assert tick.trade > before.trade
        if before is None or tick.event_time >= before.event_time:
            found[tick.symbol] = tick
    assert updates


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("429:0.05", "429:0.05"),
        ("html", "html:1"),
        ("finnhub.quote=timeout:0.02", "finnhub.quote=timeout:0.02"),
        ("finnhub=reset:1", "finnhub=reset:1"),
        (" cut:0 ", "cut:0"),
    ],
)
def test_a_fault_is_a_kind_with_a_rate_and_a_place(text: str, shown: str) -> None:
    assert str(parse_fault(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["", "sulk", "429:", "429:1.1", "429:-1", "429:nan", "429:x", "nyse=429", "finnhub.nothing=429", "=429", ":1"],
)
def test_any_other_fault_is_refused(text: str) -> None:
    with pytest.raises(LabError):
        parse_fault(text)


def test_faults_are_the_same_for_one_seed_whatever_other_endpoints_do() -> None:
    def chosen(seed: int, noise: int) -> list[str | None]:
        faults = Faults(seed, [parse_fault("429:0.2"), parse_fault("reset:0.2")])
        found = []
        for _ in range(200):
            found.append(faults.choose("finnhub.quote", set(KINDS)))
            for _ in range(noise):
                faults.choose("coindesk.tick", set(KINDS))
        return found

    assert chosen(1, 0) == chosen(1, 3)
    assert chosen(1, 0) != chosen(2, 0)


def test_faults_are_as_frequent_as_they_should_be_and_only_where_they_should() -> None:
    faults = Faults(3, [parse_fault("finnhub=429:0.1"), parse_fault("cut:0.3")])
    for _ in range(10_000):
        faults.choose("finnhub.quote", set(KINDS))
        faults.choose("coindesk.tick", set(KINDS))
    assert faults.made["finnhub.quote", "429"] == pytest.approx(1000, rel=0.15)
    assert faults.made["coindesk.tick", "cut"] == pytest.approx(3000, rel=0.1)
    assert faults.made["coindesk.tick", "429"] == 0


def test_the_help_of_the_exchange_names_every_fault() -> None:
    text = (Path(ROOT) / "lab_utils" / "cli.py").read_text()
    assert all(kind in text for kind in KINDS)
