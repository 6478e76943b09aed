"""The market behind the local exchange: the recordings in `data_samples`, round and round, as if they happened now."""

import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from lab_utils.ticks import ASSETS, Asset, field_texts

MISSING = "0"


@dataclass(frozen=True)
class Entry:
    """One recorded tick: when it happened and arrived, in seconds since the recording began, and its JSON."""

    asset: Asset
    symbol: str
    happens: float
    arrives: float
    raw: bytes


@dataclass(frozen=True)
class MarketTick:
    """One tick as the exchange serves it: its number since the market opened, its time, and its recorded fields."""

    number: int
    asset: Asset
    symbol: str
    event_time: datetime
    fields: dict[str, str | None]
    trade: int
    """The number of the last tick of this symbol that was a trade: this one, or one before it."""
    trade_size: str

    @property
    def seconds(self) -> int:
        """The time since 1970 in whole seconds, as quotes give it."""
        return int(self.event_time.timestamp())

    @property
    def milliseconds(self) -> int:
        """The time since 1970 in milliseconds, as trades give it."""
        return round(self.event_time.timestamp() * 1000)


def read_entries(folder: Path) -> list[Entry]:
    """The ticks of both recordings in the order of their arrival, counted from the first one."""
    found: list[tuple[datetime, datetime, Asset, str, bytes]] = []
    for asset in ASSETS:
        with gzip.open(folder / f"{asset.name}_ticks.jsonl.gz") as lines:
            for line in lines:
                fields = field_texts(line)
                happened, arrived = (
                    datetime.fromisoformat(fields[name] or "") for name in ("event_time", "ingest_time")
                )
                found.append((happened, arrived, asset, fields["symbol"] or "", line.strip()))
    found.sort(key=lambda one: (one[1], one[0], one[3]))
    start = min(one[0] for one in found)
    return [
        Entry(asset, symbol, (happened - start).total_seconds(), (arrived - start).total_seconds(), raw)
        for happened, arrived, asset, symbol, raw in found
    ]


@dataclass
class Market:
    """Which ticks have happened by now. At the end it begins again, and its time goes on.

    The hour is run through `speed` times as fast, and each tick is dated when it happens: so times never run
    ahead of the clock. `seed` chooses where in the hour the market opens; 0 is its beginning.
    """

    entries: list[Entry]
    speed: float = 1
    seed: int = 0
    clock: Callable[[], float] = monotonic
    opened: datetime = field(default_factory=lambda: datetime.now(UTC))
    latest: dict[str, MarketTick] = field(default_factory=dict)
    """The youngest tick of each symbol."""

    def __post_init__(self) -> None:
        self._length = max(entry.arrives for entry in self.entries) + 0.001
        self._opened_at = self.clock()
        begin = random.Random(self.seed).random() * self._length if self.seed else 0.0
        self._next = next(number for number, entry in enumerate(self.entries) if entry.arrives >= begin)
        self._skipped, self._rounds, self._number = begin, 0, 0
        self._open()

    def _open(self) -> None:
        """Give each symbol a quote of a moment before the market opened."""
        symbols = {entry.symbol for entry in self.entries}
        before = [*self.entries[self._next :], *self.entries[: self._next]]
        offset = len(self.entries[self._next :])
        while symbols:
            place = len(before) - 1
            entry = before[place]
            before.pop()
            if entry.symbol in symbols and '"size":null' not in entry.raw.decode():
                symbols.discard(entry.symbol)
                self._happen(entry, -1 if place < offset else 0)

    def _happen(self, entry: Entry, rounds: int) -> MarketTick:
        seconds = (rounds * self._length + entry.happens - self._skipped) / self.speed
        time = self.opened + timedelta(milliseconds=round(seconds * 1000))
        fields = field_texts(entry.raw)
        before = self.latest.get(entry.symbol)
        size = fields.get("size")
        self._number += 1
        is_trade = size is not None or before is None
        tick = MarketTick(
            self._number,
            entry.asset,
            entry.symbol,
            time,
            fields,
            self._number if is_trade or before is None else before.trade,
            (size or MISSING) if is_trade or before is None else before.trade_size,
        )
        if before is None or time >= before.event_time:
            self.latest[entry.symbol] = tick
        return tick

    def advance(self) -> list[MarketTick]:
        """The ticks that arrived since the last call, in that order."""
        now = (self.clock() - self._opened_at) * self.speed + self._skipped
        happened = []
        while self._rounds * self._length + self.entries[self._next].arrives <= now:
            happened.append(self._happen(self.entries[self._next], self._rounds))
            self._next += 1
            if self._next == len(self.entries):
                self._next, self._rounds = 0, self._rounds + 1
        return happened
