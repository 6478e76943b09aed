"""Shares, and trades of coins, from Finnhub: polled quotes, and the trade WebSocket.

`/quote` gives times in seconds, no size, and no currency: shares in the United States, so it is USD. The WebSocket
gives times in milliseconds. An unknown symbol is a quote of zeros with HTTP 200, but in an incident a known
one is, too: so zeros are kept as a dead letter once and the symbol is asked for less and less often, not given up.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from time import monotonic
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidProxy, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from lab_utils.errors import LabError
from lab_utils.feeds.api_client import (
    Answer,
    Api,
    ApiClient,
    Found,
    MayPassError,
    Trouble,
    json_object,
    judged,
    pause_seconds,
    retry_after_seconds,
    unusable_proxy,
)
from lab_utils.feeds.file_feed import Rejected, utc_now
from lab_utils.feeds.limits import Limit
from lab_utils.feeds.polling import Fresh, event_time
from lab_utils.ticks import CRYPTO, STOCKS, Asset, InvalidTickError, Tick, make_tick

log = logging.getLogger(__name__)

HTTP_HOST = "https://finnhub.io"
WEBSOCKET_HOST = "wss://ws.finnhub.io"
QUOTE_PATH = "/api/v1/quote"
LIMITS = (Limit(60, 60), Limit(30, 1))
"""Of the free plan: per key, and for everybody."""
COIN_MARKET, COIN_CURRENCY = "BINANCE", "USDT"
LONGEST_ZERO_PAUSE = 300.0
SILENCE_SECONDS = 90.0
"""Finnhub sends a ping about once a minute; a connection that is silent for longer is dead."""
_LOOK_SECONDS = 0.2
_QUIET = logging.getLogger(f"{__name__}.websocket")
_QUIET.setLevel(logging.ERROR)  # below that the library logs the address with the key in it
_FIGURES = {"open": "o", "high": "h", "low": "l", "previous_close": "pc", "change_pct": "dp"}


def judge(api: Api, answer: Answer, body: dict[str, Any]) -> None:
    """Look for a complaint: `{"error": …}`, with a status that mostly fits.

    Raises:
        MayPassError: a rate limit, or a complaint that is not known.
        LabError: key or plan are refused.
    """
    message = body.get("error")
    if message is None:
        return
    words = str(message).lower()
    if "sign up" in words or "use an api key" in words or "invalid api key" in words:
        raise api.key_refused()  # also with status 429: an empty key was once answered so
    if answer.status == 403 or "access to this resource" in words:
        raise api.plan_refused("this resource")
    if answer.status == 429 or "limit reached" in words:
        raise MayPassError("rate limit", answer.retry_after)
    if answer.status < 500 and answer.status not in {401, 403}:
        raise MayPassError(f"complaint: {message}", answer.retry_after)


@dataclass
class Quotes:
    """The feed of `/quote`: one call a symbol."""

    client: ApiClient
    symbols: Sequence[str]
    currency: str = "USD"
    _fresh: Fresh = field(default_factory=Fresh)
    _zeros: dict[str, int] = field(default_factory=dict)
    _ask_at: dict[str, float] = field(default_factory=dict)

    def ask(self) -> Iterator[Tick | Rejected]:
        """The quotes that are new, from one call for each symbol."""
        for symbol in self.symbols:
            if monotonic() < self._ask_at.get(symbol, 0):
                continue
            for answer in self.client.ask(QUOTE_PATH, {"symbol": symbol}):
                if isinstance(answer, Rejected):
                    yield Rejected(answer.raw, answer.reason, symbol)
                else:
                    yield from self._quote(symbol, answer)

    def _quote(self, symbol: str, answer: Found) -> Iterator[Tick | Rejected]:
        quote = answer.fields
        if _is_zero(quote.get("c")) and _is_zero(quote.get("t")):
            yield from self._zero(symbol, answer.raw)
            return
        self._zeros.pop(symbol, None)
        try:
            time = event_time(quote.get("t"), "t")
            if not self._fresh.is_new(symbol, time):
                return
            fields = {
                "symbol": symbol,
                "currency": self.currency,
                "price": quote.get("c"),
                "event_time": time,
                "ingest_time": utc_now(),
                "source": f"{self.client.api.source}finnhub.quote",
                "version": "1",
                **{name: quote.get(key) for name, key in _FIGURES.items()},
            }
            tick = make_tick(STOCKS, fields)
        except InvalidTickError as error:
            if self._fresh.is_newly_rejected(symbol, quote):
                yield Rejected(answer.raw, str(error), symbol)
            return
        self._fresh.accepted(symbol, time)
        yield tick

    def _zero(self, symbol: str, raw: bytes) -> Iterator[Rejected]:
        count = self._zeros[symbol] = self._zeros.get(symbol, 0) + 1
        self._ask_at[symbol] = monotonic() + min(LONGEST_ZERO_PAUSE, 2.0**count)
        if count == 1:
            log.warning(
                "event=unknown_symbol api=%r symbols=%s repair='Correct LAB_STOCK_SYMBOLS in .env if it stays so.'",
                self.client.api.name,
                symbol,
            )
            yield Rejected(raw, "price: zero, as for an unknown symbol", symbol)


@dataclass
class Trades:
    """The feed of the WebSocket: each trade as it happens. A lost connection is made again and subscribes again."""

    api: Api
    symbols: Sequence[str]
    asset: Asset
    stopped: threading.Event
    trouble: Trouble = field(init=False)
    _complaints: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.trouble = Trouble(self.api)

    def read(self) -> Iterator[Tick | Rejected]:
        """Trades until `stopped` is set.

        Raises:
            LabError: key or plan are refused.
        """
        while not self.stopped.is_set():
            after = None
            try:
                with self._connect() as connection:
                    yield from self._frames(connection)
                continue
            except MayPassError as error:
                reason, after = error.reason, error.after
            except ConnectionClosed as error:
                code = error.rcvd.code if error.rcvd else "none"
                reason = f"connection closed (code {code})"
            if not self.stopped.is_set():
                pause = pause_seconds(self.trouble.tries + 1, after)
                self.trouble.failed(reason, pause)
                self.stopped.wait(pause)

    def _connect(self) -> ClientConnection:
        """An open connection.

        The key stands in the address, where Finnhub wants it. So no error of the library is passed on: only what
        it was, never its text.
        """
        query = {} if self.api.key is None else {"token": self.api.key.get_secret_value()}
        try:
            return connect(
                f"{self.api.websocket}/?{urlencode(query)}",
                open_timeout=self.api.seconds,
                close_timeout=1,
                logger=_QUIET,
                proxy=True if self.api.use_proxy else None,
            )
        except InvalidStatus as error:
            response = error.response
            after = retry_after_seconds(response.headers.get("Retry-After"), datetime.now(UTC))
            content_type = response.headers.get("Content-Type", "").lower()
            answer = Answer(response.status_code, bytes(response.body or b""), content_type, after)
            judged(self.api, answer, judge)
            raise MayPassError(f"HTTP {response.status_code}", after) from None
        except TimeoutError:
            raise MayPassError(f"no answer within {self.api.seconds:g} s") from None
        except (InvalidProxy, ImportError):
            raise unusable_proxy() from None
        except (OSError, EOFError, InvalidHandshake) as error:
            raise MayPassError(f"connection failed ({type(error).__name__})") from None

    def _frames(self, connection: ClientConnection) -> Iterator[Tick | Rejected]:
        for symbol in self.symbols:
            connection.send(f'{{"type":"subscribe","symbol":"{symbol}"}}')
        heard_at = monotonic()
        while not self.stopped.is_set():
            try:
                frame = connection.recv(timeout=_LOOK_SECONDS)
            except TimeoutError:
                if monotonic() - heard_at > SILENCE_SECONDS:
                    raise MayPassError(f"silent for {SILENCE_SECONDS:g} s") from None
                continue
            heard_at = monotonic()
            yield from self._frame(frame.encode() if isinstance(frame, str) else frame)

    def _frame(self, raw: bytes) -> Iterator[Tick | Rejected]:
        if not raw.strip():
            return
        message = json_object(raw)
        if message is None:
            yield Rejected(raw, "not a JSON object", None)
        elif message.get("type") == "trade":
            self.trouble.passed()
            trades = message.get("data")
            for trade in trades if isinstance(trades, list) else [None]:
                yield self._trade(trade if isinstance(trade, dict) else {}, raw)
        elif message.get("type") == "error":
            self._complain(str(message.get("msg", "")))
        elif message.get("type") == "ping":
            self.trouble.passed()
        else:
            yield Rejected(raw, "neither trade, ping nor error", None)

    def _complain(self, message: str) -> None:
        if "api key" in message.lower():
            raise self.api.key_refused()
        if message not in self._complaints:
            self._complaints.add(message)
            setting = "LAB_CRYPTO_SYMBOLS" if self.asset is CRYPTO else "LAB_STOCK_SYMBOLS"
            shown = self.api.without_key(message)
            log.warning("event=api_complains api=%r says=%r repair='See %s in .env.'", self.api.name, shown, setting)

    def _trade(self, trade: Mapping[str, Any], raw: bytes) -> Tick | Rejected:
        name = trade.get("s")
        symbol, currency = _pair(name, self.asset)
        try:
            return make_tick(
                self.asset,
                {
                    "symbol": symbol,
                    "currency": currency,
                    "price": trade.get("p"),
                    # A price update without a trade has the volume 0.
                    "size": None if _is_zero(trade.get("v")) else trade.get("v"),
                    "event_time": event_time(trade.get("t"), "t", 1000),
                    "ingest_time": utc_now(),
                    "source": f"{self.api.source}finnhub.trade",
                    "version": "1",
                },
            )
        except InvalidTickError as error:
            return Rejected(raw, str(error), symbol if isinstance(symbol, str) and symbol.isascii() else None)


def coin_names(symbols: Sequence[str]) -> list[str]:
    """What Finnhub calls these coins, as in `BINANCE:BTCUSDT`; a full name stays as it is."""
    return [symbol if ":" in symbol else f"{COIN_MARKET}:{symbol}{COIN_CURRENCY}" for symbol in symbols]


def _pair(name: object, asset: Asset) -> tuple[object, str]:
    """Symbol and currency of Finnhub's name: `BINANCE:BTCUSDT` is BTC in USDT, `AAPL` is AAPL in USD."""
    if asset is not CRYPTO or not isinstance(name, str):
        return name, "USD"
    coin = name.rpartition(":")[2]
    if coin.endswith(COIN_CURRENCY) and coin != COIN_CURRENCY:
        return coin.removesuffix(COIN_CURRENCY), COIN_CURRENCY
    return coin, "USD"


def _is_zero(text: object) -> bool:
    try:
        return isinstance(text, str) and Decimal(text) == 0
    except InvalidOperation:
        return False


def one_connection_error() -> LabError:
    """The error for two producers that both want the WebSocket of one key."""
    return LabError(
        "Finnhub allows one WebSocket connection a key, and coins and shares both want it.",
        "Set LAB_STOCK_SOURCE=quotes or another LAB_CRYPTO_SOURCE in .env.",
    )
