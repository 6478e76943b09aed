"""Makes the recordings in this folder: one hour of simulated ticks of five coins and of five shares.

`python data_samples/make_samples.py` writes them again. The same script gives the same ticks on every
computer: chance comes from one seeded generator, and all arithmetic is on integers and decimals.
"""

import gzip
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from lab_utils.ticks import CRYPTO, STOCKS, Asset, make_tick, tick_json

FOLDER = Path(__file__).resolve().parent
START = datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
"""A Monday, when the New York exchange opens."""
SECONDS = 3600
BURST_MINUTE, BURST_TICKS = 17, 4
"""Minutes after the start, and ticks a second of each symbol in that minute."""
QUIET_MINUTE, QUIET_SHARE = 35, 10
"""Minutes after the start; one second in so many has a tick in that minute."""
TRAVEL_MS = 40
"""From the trade to its arrival; a few percent of the ticks take longer and arrive out of order."""
LATE_PERCENT, LATE_MS = 3, (300, 2900)
NO_SIZE_PERCENT = 2
"""Price updates without a trade."""

_PARTS = 10**9
"""Chance moves a price by whole billionths of itself."""


@dataclass(frozen=True)
class Instrument:
    """What is simulated of one symbol; prices in USD."""

    symbol: str
    start: str
    """Price at the start."""
    yesterday: str
    """Price a day before, or at the previous close."""
    volatility: int
    """Typical move in one second, in billionths."""
    follows_market: int
    """How much of the move is the market's, in percent."""
    size_step: str
    sizes: int
    """Largest size in steps; most sizes are far below."""
    supply: int = 0
    """Coins that exist."""
    volume_24h: int = 0
    """In coins, at the start."""


COINS = (
    Instrument("BTC", "73838.87", "72915.40", 90_000, 80, "0.00001", 250_000, 20_030_000, 24_180),
    Instrument("ETH", "2412.35", "2438.02", 120_000, 75, "0.0001", 400_000, 120_700_000, 371_600),
    Instrument("SOL", "148.21", "144.87", 160_000, 70, "0.001", 400_000, 560_200_000, 4_120_000),
    Instrument("XRP", "1.3562", "1.3610", 150_000, 65, "0.1", 120_000, 60_500_000_000, 142_000_000),
    Instrument("ADA", "0.4127", "0.4053", 170_000, 65, "0.1", 80_000, 36_400_000_000, 96_000_000),
)
SHARES = (
    Instrument("AAPL", "268.40", "267.15", 90_000, 60, "1", 1200),
    Instrument("MSFT", "512.10", "514.36", 85_000, 65, "1", 700),
    Instrument("GOOG", "281.75", "279.90", 100_000, 60, "1", 900),
    Instrument("AMZN", "244.30", "245.81", 105_000, 60, "1", 1000),
    Instrument("TSLA", "441.90", "436.57", 190_000, 50, "1", 1600),
)


@dataclass
class Walk:
    """Where one symbol stands while its hour is made up."""

    instrument: Instrument
    exact: int
    """Price in billionths of a dollar, before it is rounded to the steps of the exchange."""
    open: Decimal | None = None
    high: Decimal = Decimal(0)
    low: Decimal = Decimal(10) ** 9
    traded: Decimal = Decimal(0)

    def note(self, price: Decimal, size: Decimal | None) -> None:
        """Bring the figures of the day up to date with one tick."""
        self.open = price if self.open is None else self.open
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.traded += size or 0


@dataclass(frozen=True)
class Arrival:
    """One tick's JSON, and when it arrives."""

    time: datetime
    event_time: datetime
    symbol: str
    json: bytes


def chance(rng: random.Random, below: int) -> int:
    """A whole number from 0 up to, not including, `below`."""
    return int(rng.random() * below)


def swing(rng: random.Random) -> int:
    """A move around zero, in thousandths of a typical one: mostly small, at most 3,500."""
    return (sum(chance(rng, 2001) - 1000 for _ in range(4)) * 866) // 1000


def ticks_in(rng: random.Random, second: int) -> int:
    """How many ticks a symbol has in this second of the hour."""
    if second // 60 == BURST_MINUTE:
        return BURST_TICKS
    if second // 60 == QUIET_MINUTE:
        return int(chance(rng, QUIET_SHARE) == 0)
    return 1


def moments(rng: random.Random, second: int, count: int) -> list[datetime]:
    """`count` times within the second, in order and all different."""
    slot = 1000 // max(count, 1)
    start = START + timedelta(seconds=second)
    return [start + timedelta(milliseconds=number * slot + chance(rng, slot)) for number in range(count)]


def step(rng: random.Random, walk: Walk, market: int, second: int) -> None:
    """Move the price by one second: partly with the market, partly alone, and more in the burst."""
    one = walk.instrument
    move = market * one.follows_market + swing(rng) * (100 - one.follows_market)
    wild = 3 if second // 60 == BURST_MINUTE else 1
    walk.exact += walk.exact * (move * one.volatility * wild // 100_000) // _PARTS


def traded_price(rng: random.Random, walk: Walk) -> Decimal:
    """The price of one trade: near the walk, in steps of the exchange."""
    digits = Decimal(walk.instrument.start)
    price_step = Decimal((0, (1,), int(digits.as_tuple().exponent)))
    steps = walk.exact // int(price_step * _PARTS) + chance(rng, 3) - 1
    return price_step * max(steps, 1)


def traded_size(rng: random.Random, one: Instrument) -> Decimal | None:
    """Mostly small, sometimes large; None now and then."""
    if chance(rng, 100) < NO_SIZE_PERCENT:
        return None
    part = chance(rng, 1000)
    return Decimal(one.size_step) * (1 + one.sizes * part**4 // 1000**4)


def percent(price: Decimal, before: Decimal) -> Decimal:
    """The change from `before` to `price`, in percent with four decimals."""
    return ((price - before) * 100 / before).quantize(Decimal("0.0001"))


def coin_figures(walk: Walk, price: Decimal, event_time: datetime) -> dict[str, Decimal | None]:
    """The fields that only coins have. Trades of a day before drop out of the volume as new ones come in."""
    one = walk.instrument
    seconds = int((event_time - START).total_seconds())
    dropped = Decimal(one.volume_24h) * seconds / 86400
    volume = one.volume_24h + walk.traded - dropped
    return {
        "volume_24h": volume.quantize(Decimal(one.size_step)),
        "market_cap": (price * one.supply).quantize(Decimal("0.01")),
        "change_pct_24h": percent(price, Decimal(one.yesterday)),
    }


def share_figures(walk: Walk, price: Decimal) -> dict[str, Decimal | None]:
    """The fields that only shares have: the day begins with the first tick."""
    before = Decimal(walk.instrument.yesterday)
    return {
        "open": walk.open,
        "high": walk.high,
        "low": walk.low,
        "previous_close": before,
        "change_pct": percent(price, before),
    }


def arrival_of(rng: random.Random, asset: Asset, walk: Walk, event_time: datetime) -> Arrival:
    """The next tick of one symbol."""
    price, size = traded_price(rng, walk), traded_size(rng, walk.instrument)
    walk.note(price, size)
    late = LATE_MS[0] + chance(rng, LATE_MS[1] - LATE_MS[0]) if chance(rng, 100) < LATE_PERCENT else 0
    arrives = event_time + timedelta(milliseconds=TRAVEL_MS + late)
    figures = coin_figures(walk, price, event_time) if asset is CRYPTO else share_figures(walk, price)
    tick = make_tick(
        asset,
        {
            "symbol": walk.instrument.symbol,
            "currency": "USD",
            "price": price,
            "size": size,
            "event_time": event_time,
            "ingest_time": arrives,
            "source": "simulated",
            "version": 1,
            **figures,
        },
    )
    return Arrival(arrives, event_time, walk.instrument.symbol, tick_json(tick))


def arrivals(asset: Asset, instruments: tuple[Instrument, ...], seed: int) -> Iterator[Arrival]:
    """An hour of ticks, second by second."""
    rng = random.Random(seed)
    walks = [Walk(one, int(Decimal(one.start) * _PARTS)) for one in instruments]
    for second in range(SECONDS):
        market = swing(rng)
        for walk in walks:
            step(rng, walk, market, second)
            for event_time in moments(rng, second, ticks_in(rng, second)):
                yield arrival_of(rng, asset, walk, event_time)


def json_lines(asset: Asset, instruments: tuple[Instrument, ...], seed: int) -> bytes:
    """The recording: one tick a line, in the order of arrival."""
    in_order = sorted(arrivals(asset, instruments, seed), key=lambda one: (one.time, one.event_time, one.symbol))
    return b"".join(one.json + b"\n" for one in in_order)


def compressed(data: bytes) -> bytes:
    """`data` as gzip without a file name or a time, so that it does not depend on when and where."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(data)
    return buffer.getvalue()


def recordings() -> dict[str, bytes]:
    """The content of each file of this script, not yet compressed, by the name of the file."""
    return {
        "crypto_ticks.jsonl.gz": json_lines(CRYPTO, COINS, 1102),
        "stock_ticks.jsonl.gz": json_lines(STOCKS, SHARES, 1430),
    }


def write(folder: Path) -> None:
    """Write the recordings into `folder`.

    A file that holds the same ticks already is left as it is: another version of zlib packs them into other
    bytes.
    """
    for name, data in recordings().items():
        path = folder / name
        if not path.exists() or gzip.decompress(path.read_bytes()) != data:
            path.write_bytes(compressed(data))


if __name__ == "__main__":
    write(FOLDER)
