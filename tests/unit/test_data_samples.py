"""The sample data: what is committed is what the scripts make, and it is what its README says."""

import base64
import gzip
import importlib.util
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab_utils.feeds.file_feed import Recording, Rejected, check_recording, feed_files, read_ticks
from lab_utils.settings import ROOT
from lab_utils.ticks import (
    ASSETS,
    CRYPTO,
    STOCKS,
    Asset,
    CryptoTick,
    InvalidTickError,
    StockTick,
    Tick,
    parse_tick,
)

FOLDER = ROOT / "data_samples"
START = datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
SYMBOLS = {
    "crypto": {"BTC", "ETH", "SOL", "XRP", "ADA"},
    "stock": {"AAPL", "MSFT", "GOOG", "AMZN", "TSLA"},
}
FILES = {"crypto": "crypto_ticks.jsonl.gz", "stock": "stock_ticks.jsonl.gz"}
AWKWARD = [json.loads(line) for line in (FOLDER / "awkward_messages.jsonl").read_bytes().splitlines()]

each_asset = pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.name)
each_case = pytest.mark.parametrize("case", AWKWARD, ids=lambda case: case["case"])


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ticks() -> dict[str, list[Tick]]:
    """The ticks of both recordings, each line of which must be one; with the recorded times of arrival."""
    return {
        asset.name: [
            parse_tick(asset, line, START + timedelta(hours=1))
            for line in gzip.decompress((FOLDER / FILES[asset.name]).read_bytes()).splitlines()
        ]
        for asset in ASSETS
    }


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    contents: dict[str, bytes] = script("make_samples").recordings()
    return contents


@each_asset
def test_the_committed_recording_is_what_the_script_makes(made: dict[str, bytes], asset: Asset) -> None:
    """Compared unpacked: another version of zlib packs the same ticks into other bytes."""
    name = FILES[asset.name]
    assert gzip.decompress((FOLDER / name).read_bytes()) == made[name]


def test_a_compressed_file_tells_neither_its_name_nor_when_it_was_made() -> None:
    packed: bytes = script("make_samples").compressed(b"ticks\n")
    assert packed[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


def test_writing_again_leaves_a_file_with_the_same_ticks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("make_samples")
    monkeypatch.setattr(module, "recordings", lambda: {"a.jsonl.gz": b"{}\n"})
    packed_elsewhere = gzip.compress(b"{}\n", compresslevel=0)
    (tmp_path / "a.jsonl.gz").write_bytes(packed_elsewhere)
    module.write(tmp_path)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == packed_elsewhere


def test_writing_replaces_a_file_with_other_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("make_samples")
    monkeypatch.setattr(module, "recordings", lambda: {"a.jsonl.gz": b"{}\n"})
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"old\n"))
    module.write(tmp_path)
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == b"{}\n"


@each_asset
def test_a_recording_has_about_18000_ticks_evenly_among_its_symbols(ticks: dict[str, list[Tick]], asset: Asset) -> None:
    counts = Counter(tick.symbol for tick in ticks[asset.name])
    assert counts.keys() == SYMBOLS[asset.name]
    assert all(3600 <= count <= 3800 for count in counts.values())


@each_asset
def test_a_recording_lasts_one_hour(ticks: dict[str, list[Tick]], asset: Asset) -> None:
    times = [tick.event_time for tick in ticks[asset.name]]
    assert START <= min(times) < START + timedelta(seconds=1)
    assert START + timedelta(seconds=3599) <= max(times) < START + timedelta(hours=1)


@each_asset
def test_no_symbol_has_two_ticks_at_one_time(ticks: dict[str, list[Tick]], asset: Asset) -> None:
    times = Counter((tick.symbol, tick.event_time) for tick in ticks[asset.name])
    assert max(times.values()) == 1


@each_asset
def test_a_recording_is_in_the_order_of_arrival(ticks: dict[str, list[Tick]], asset: Asset) -> None:
    arrivals = [tick.ingest_time for tick in ticks[asset.name]]
    assert arrivals == sorted(arrivals)


@each_asset
def test_a_few_percent_of_the_ticks_are_up_to_three_seconds_late(ticks: dict[str, list[Tick]], asset: Asset) -> None:
    latest, delays = START, []
    for tick in ticks[asset.name]:
        delays.append(latest - tick.event_time)
        latest = max(latest, tick.event_time)
    late = [delay for delay in delays if delay > timedelta(0)]
    assert 0.02 < len(late) / len(delays) < 0.05
    assert max(late) <= timedelta(seconds=3)


@each_asset
def test_there_is_a_burst_and_a_quiet_minute(ticks: dict[str, list[Tick]], asset: Asset) -> None:
    minutes = Counter((tick.event_time - START) // timedelta(minutes=1) for tick in ticks[asset.name])
    burst, quiet = minutes.pop(17), minutes.pop(35)
    assert burst > 3 * max(minutes.values())
    assert 0 < quiet < min(minutes.values()) / 5


@each_asset
def test_some_ticks_have_no_size(ticks: dict[str, list[Tick]], asset: Asset) -> None:
    none = sum(tick.size is None for tick in ticks[asset.name])
    assert 0.01 < none / len(ticks[asset.name]) < 0.03


def test_shares_are_traded_in_whole_numbers(ticks: dict[str, list[Tick]]) -> None:
    assert all(tick.size is None or tick.size == int(tick.size) for tick in ticks["stock"])


def test_coins_are_traded_in_fractions(ticks: dict[str, list[Tick]]) -> None:
    broken = {tick.symbol for tick in ticks["crypto"] if tick.size is not None and tick.size != int(tick.size)}
    assert broken == SYMBOLS["crypto"]


@pytest.mark.parametrize(("symbol", "places"), [("BTC", 2), ("XRP", 4), ("ADA", 4)])
def test_prices_have_the_decimals_of_an_exchange(ticks: dict[str, list[Tick]], symbol: str, places: int) -> None:
    prices = [tick.price for tick in ticks["crypto"] if tick.symbol == symbol]
    assert {price.as_tuple().exponent for price in prices} == {-places}


def test_a_share_stays_between_its_low_and_its_high(ticks: dict[str, list[Tick]]) -> None:
    for tick in ticks["stock"]:
        assert isinstance(tick, StockTick)
        assert tick.low is not None
        assert tick.high is not None
        assert tick.open is not None
        assert tick.low <= tick.price <= tick.high
        assert tick.low <= tick.open <= tick.high


def test_high_and_low_are_those_of_the_prices_so_far(ticks: dict[str, list[Tick]]) -> None:
    prices = []
    for tick in sorted(ticks["stock"], key=lambda tick: tick.event_time):
        if tick.symbol == "TSLA" and isinstance(tick, StockTick):
            prices.append(tick.price)
            assert (tick.open, tick.high, tick.low) == (prices[0], max(prices), min(prices))


def test_the_change_of_a_share_is_against_its_previous_close(ticks: dict[str, list[Tick]]) -> None:
    for tick in ticks["stock"][::97]:
        assert isinstance(tick, StockTick)
        assert tick.previous_close
        assert tick.change_pct == round((tick.price - tick.previous_close) * 100 / tick.previous_close, 4)


def test_a_market_cap_goes_with_its_price(ticks: dict[str, list[Tick]]) -> None:
    caps = {
        tick.market_cap / tick.price
        for tick in ticks["crypto"]
        if isinstance(tick, CryptoTick) and tick.symbol == "BTC" and tick.market_cap
    }
    assert caps == {20_030_000}


@each_asset
def test_a_recording_says_that_it_is_simulated(ticks: dict[str, list[Tick]], asset: Asset) -> None:
    assert {(tick.source, tick.currency) for tick in ticks[asset.name]} == {("simulated", "USD")}


@each_asset
def test_the_file_feed_reads_every_tick_of_a_recording(ticks: dict[str, list[Tick]], asset: Asset) -> None:
    recording = Recording(FOLDER / FILES[asset.name])
    check_recording(recording, asset)
    read = list(read_ticks(recording, asset))
    assert not [one for one in read if isinstance(one, Rejected)]
    assert len(read) == len(ticks[asset.name])


def test_the_folder_is_a_feed() -> None:
    assert feed_files(FOLDER) == {name: FOLDER / file for name, file in FILES.items()}


def test_the_samples_are_small() -> None:
    files = [*FOLDER.glob("*.gz"), *FOLDER.glob("*.jsonl"), *FOLDER.glob("*.py"), *FOLDER.glob("*.md")]
    assert sum(file.stat().st_size for file in files) < 5_000_000


def test_the_committed_awkward_messages_are_what_the_script_makes() -> None:
    assert (FOLDER / "awkward_messages.jsonl").read_bytes() == script("make_awkward").content()


def test_each_awkward_message_has_a_name_of_its_own() -> None:
    assert max(Counter(case["case"] for case in AWKWARD).values()) == 1


def value_of(case: dict[str, Any]) -> bytes | None:
    if "value_base64" in case:
        return base64.b64decode(case["value_base64"])
    return None if case["value"] is None else case["value"].encode()


@each_case
def test_an_awkward_message_has_the_fate_that_is_written_down(case: dict[str, Any]) -> None:
    asset = CRYPTO if case["topic"] == CRYPTO.topic else STOCKS
    try:
        tick = parse_tick(asset, value_of(case), datetime(2026, 11, 2, 14, 30, 0, 160_000, tzinfo=UTC))
    except InvalidTickError as error:
        assert (case["expect"], case["reason"]) == ("dead", str(error))
    else:
        assert (case["expect"], case["reason"]) == ("stored", None)
        assert case["key"] in {tick.symbol, None}


@each_case
def test_an_awkward_message_says_why_in_one_sentence(case: dict[str, Any]) -> None:
    assert set(case) - {"value", "value_base64"} == {"case", "topic", "key", "expect", "reason", "why"}
    assert case["why"].endswith(".")


def test_the_awkward_messages_are_of_both_fates_and_both_topics() -> None:
    assert {(case["topic"], case["expect"]) for case in AWKWARD} == {
        (topic, fate) for topic in ("crypto_topic", "stock_topic") for fate in ("stored", "dead")
    }
