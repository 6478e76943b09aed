"""Coins from CryptoCompare, today CoinDesk Data: the legacy API's full quotes, and the new API's latest tick.

There is no free plan any more (since 2026-05-21). Three dialects of errors are in use: the legacy API complains
with HTTP 200 and `Response: Error`, the new one with a status and an object `Err`, and both with bare statuses.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_utils.errors import LabError
from lab_utils.feeds.api_client import Answer, Api, ApiClient, Found, MayPassError
from lab_utils.feeds.file_feed import Rejected, utc_now
from lab_utils.feeds.limits import Limit
from lab_utils.feeds.polling import Fresh, event_time
from lab_utils.ticks import CRYPTO, InvalidTickError, Tick, make_tick

log = logging.getLogger(__name__)

LEGACY_HOST = "https://min-api.cryptocompare.com"
DATA_HOST = "https://data-api.coindesk.com"
LIMITS = (Limit(20, 1), Limit(300, 60), Limit(3000, 3600))
"""Of the former free plan; no other is published. Its 7,500 a day are one call in 12 s, round the clock."""
FULL_PATH = "/data/pricemultifull"
TICK_PATH = "/index/cc/v1/latest/tick"
MARKET = "cadli"
RATE_LIMIT_TYPE = "99"
_PAUSES = {"month": 3600.0, "day": 3600.0, "hour": 300.0, "minute": 30.0, "second": 1.0}
"""Seconds to wait when the calls of such a period are used up, the longest period first."""
_FIGURES = {"volume_24h": "VOLUME24HOUR", "market_cap": "MKTCAP", "change_pct_24h": "CHANGEPCT24HOUR"}
_TICK_FIGURES = {"volume_24h": "MOVING_24_HOUR_VOLUME", "change_pct_24h": "MOVING_24_HOUR_CHANGE_PERCENTAGE"}


def judge(api: Api, answer: Answer, body: dict[str, Any]) -> None:
    """Look for a complaint in any of the dialects.

    Raises:
        MayPassError: a rate limit, or a complaint that is not known.
        LabError: key, plan or symbols are refused.
    """
    if body.get("Response") == "Error":
        _judge_legacy(api, answer, body)
    complaint = body.get("Err")
    if isinstance(complaint, dict) and complaint:
        _judge_data(api, answer, complaint)


def _judge_legacy(api: Api, answer: Answer, body: dict[str, Any]) -> None:
    message = str(body.get("Message", ""))
    words = message.lower()
    if body.get("Type") == RATE_LIMIT_TYPE or "rate limit" in words:
        period, pause = _used_up(body.get("RateLimit"))
        raise MayPassError(f"rate limit of the {period}", max(pause, answer.retry_after or 0))
    if "api key" in words or "auth key" in words:
        raise api.key_refused()
    if "no data for the symbol" in words or "market does not exist" in words:
        raise _unknown_symbols(api, message)
    if answer.status not in {401, 403}:  # these two speak for themselves
        raise MayPassError(f"complaint: {message}", answer.retry_after)


def _judge_data(api: Api, answer: Answer, complaint: Mapping[str, Any]) -> None:
    status = str(complaint.get("http_status_code", answer.status))
    message = str(complaint.get("message", ""))
    if status == "401":
        raise api.key_refused()
    if status == "403":
        raise api.plan_refused("these prices")
    if status in {"400", "404"}:
        raise _unknown_symbols(api, message)
    raise MayPassError("rate limit" if status == "429" else f"complaint: {message}", answer.retry_after)


def _used_up(limits: object) -> tuple[str, float]:
    """The longest period whose calls are used up, and how long to wait for it."""
    counts = limits if isinstance(limits, dict) else {}
    made, most = counts.get("calls_made"), counts.get("max_calls")
    if isinstance(made, dict) and isinstance(most, dict):
        for period, pause in _PAUSES.items():
            if _count(made.get(period)) >= _count(most.get(period, "x")):
                return period, pause
    return "second", _PAUSES["second"]


def _count(text: object) -> float:
    return float(text) if isinstance(text, str) and text.isdigit() else float("inf")


def _unknown_symbols(api: Api, message: str) -> LabError:
    return LabError(
        f"{api.name} knows none of the symbols ({api.without_key(message)}).", "Correct LAB_CRYPTO_SYMBOLS in .env."
    )


@dataclass
class FullQuotes:
    """The feed of `/data/pricemultifull`: one call brings all symbols."""

    client: ApiClient
    symbols: Sequence[str]
    currency: str = "USD"
    _fresh: Fresh = field(default_factory=Fresh)
    _trades: dict[str, object] = field(default_factory=dict)
    _missing: set[str] = field(default_factory=set)

    def ask(self) -> Iterator[Tick | Rejected]:
        """The quotes that are new, from one call."""
        params = {"fsyms": ",".join(self.symbols), "tsyms": self.currency}
        for answer in self.client.ask(FULL_PATH, params):
            if isinstance(answer, Rejected):
                yield answer
            else:
                yield from self._quotes(answer)

    def _quotes(self, answer: Found) -> Iterator[Tick | Rejected]:
        quotes = answer.fields.get("RAW")
        if not isinstance(quotes, dict):
            yield Rejected(answer.raw, "no RAW quotes in the answer", None)
            return
        _note_missing(self.client.api, self.symbols, quotes, self._missing)
        for symbol in self.symbols:
            by_currency = quotes.get(symbol)
            if by_currency is not None:
                quote = by_currency.get(self.currency) if isinstance(by_currency, dict) else None
                yield from self._one(symbol, quote if isinstance(quote, dict) else {}, answer.raw)

    def _one(self, symbol: str, quote: dict[str, Any], raw: bytes) -> Iterator[Tick | Rejected]:
        try:
            time = event_time(quote.get("LASTUPDATE"), "LASTUPDATE")
            if not self._fresh.is_new(symbol, time):
                return
            fields = {
                "symbol": quote.get("FROMSYMBOL", symbol),
                "currency": quote.get("TOSYMBOL", self.currency),
                "price": quote.get("PRICE"),
                "size": self._size(symbol, quote),
                "event_time": time,
                "ingest_time": utc_now(),
                "source": f"{self.client.api.source}cryptocompare",
                "version": "1",
                **{name: quote.get(key) for name, key in _FIGURES.items()},
            }
            tick = make_tick(CRYPTO, fields)
        except InvalidTickError as error:
            if self._fresh.is_newly_rejected(symbol, quote):
                yield Rejected(raw, f"{symbol}: {error}", symbol)
            return
        self._fresh.accepted(symbol, time)
        self._trades[symbol] = quote.get("LASTTRADEID", self._trades.get(symbol))
        yield tick

    def _size(self, symbol: str, quote: Mapping[str, Any]) -> object:
        """`LASTVOLUME`, if it is the quantity of a trade that no tick before has told of.

        A quote also changes without a trade, and would then tell of the last one again.
        """
        trade = quote.get("LASTTRADEID")
        if not isinstance(trade, str) or self._trades.get(symbol) == trade:
            return None
        return quote.get("LASTVOLUME")


@dataclass
class LatestTicks:
    """The feed of `/index/cc/v1/latest/tick`: the newest value of an index for each pair."""

    client: ApiClient
    symbols: Sequence[str]
    currency: str = "USD"
    _fresh: Fresh = field(default_factory=Fresh)
    _missing: set[str] = field(default_factory=set)

    def ask(self) -> Iterator[Tick | Rejected]:
        """The values that are new, from one call."""
        instruments = [f"{symbol}-{self.currency}" for symbol in self.symbols]
        for answer in self.client.ask(TICK_PATH, {"market": MARKET, "instruments": ",".join(instruments)}):
            if isinstance(answer, Rejected):
                yield answer
                continue
            found = answer.fields.get("Data")
            if not isinstance(found, dict):
                yield Rejected(answer.raw, "no Data in the answer", None)
                continue
            _note_missing(self.client.api, instruments, found, self._missing)
            for instrument in instruments:
                if instrument in found:
                    value = found[instrument]
                    yield from self._one(instrument, value if isinstance(value, dict) else {}, answer.raw)

    def _one(self, instrument: str, value: dict[str, Any], raw: bytes) -> Iterator[Tick | Rejected]:
        symbol, _, currency = str(value.get("INSTRUMENT", instrument)).rpartition("-")
        try:
            time = event_time(value.get("VALUE_LAST_UPDATE_TS"), "VALUE_LAST_UPDATE_TS")
            if not self._fresh.is_new(symbol, time):
                return
            fields = {
                "symbol": symbol,
                "currency": currency,
                "price": value.get("VALUE"),
                "event_time": time,
                "ingest_time": utc_now(),
                "source": f"{self.client.api.source}coindesk",
                "version": "1",
                **{name: value.get(key) for name, key in _TICK_FIGURES.items()},
            }
            tick = make_tick(CRYPTO, fields)
        except InvalidTickError as error:
            if self._fresh.is_newly_rejected(symbol, value):
                yield Rejected(raw, f"{symbol}: {error}", symbol)
            return
        self._fresh.accepted(symbol, time)
        yield tick


def _note_missing(api: Api, asked: Sequence[str], found: Mapping[str, Any], noted: set[str]) -> None:
    """Say once of each symbol that it is not in the answer: the API leaves unknown ones out without a word."""
    missing = [symbol for symbol in asked if symbol not in found and symbol not in noted]
    if missing:
        noted.update(missing)
        log.warning(
            "event=unknown_symbol api=%r symbols=%s repair='Correct LAB_CRYPTO_SYMBOLS in .env.'",
            api.name,
            ",".join(missing),
        )
