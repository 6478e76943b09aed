"""The local exchange inside the test process, on a real socket, and feeds read from it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lab_utils.errors import LabError
from lab_utils.feeds import cryptocompare, finnhub
from lab_utils.feeds.api_client import Api, ApiClient
from lab_utils.feeds.exchange.app import Exchange, Served
from lab_utils.feeds.exchange.faults import Faults, parse_fault
from lab_utils.feeds.exchange.market import Entry, Market
from lab_utils.feeds.exchange.server import Running
from lab_utils.feeds.file_feed import Rejected
from lab_utils.feeds.polling import poll
from lab_utils.feeds.sources import exchange_api
from lab_utils.servers import processes
from lab_utils.ticks import CRYPTO, STOCKS, Tick
from lab_utils.waiting import wait_until

KEY = "key-that-nobody-may-see-4711"
POLL_SECONDS = 0.05
FEEDS = {
    "full": "cryptocompare.pricemultifull",
    "latest": "coindesk.tick",
    "quotes": "finnhub.quote",
    "trades": "finnhub.trades",
}
"""Feed → the endpoint that it reads."""


@dataclass
class OpenExchange:
    """An exchange that listens, and its address."""

    exchange: Exchange
    address: str

    def set_faults(self, *texts: str) -> None:
        self.exchange.faults.faults = [parse_fault(text) for text in texts]

    def forget(self) -> None:
        """Forget what was served and which faults were made, and make none."""
        self.set_faults()
        self.exchange.faults.made.clear()
        self.exchange.served = Served()

    def made(self, feed: str, fault: str) -> int:
        return self.exchange.faults.made[FEEDS[feed], fault]

    def api(self, feed: str, key: str | None = KEY, seconds: float = 5) -> Api:
        source = {"full": "cryptocompare", "latest": "coindesk"}.get(feed, "finnhub")
        api = exchange_api(source, self.address, None if key is None else SecretStr(key))
        return Api(**{**vars(api), "seconds": seconds})


@contextmanager
def open_exchange(entries: list[Entry], *faults: str, speed: float = 4, seed: int = 0) -> Iterator[OpenExchange]:
    exchange = Exchange(Market(entries, speed), Faults(seed, [parse_fault(text) for text in faults]), SecretStr(KEY))
    with processes.listening("exchange", 0) as opened:
        server = Running(exchange, opened)
        try:
            yield OpenExchange(exchange, f"127.0.0.1:{opened.getsockname()[1]}")
        finally:
            server.stop()


@contextmanager
def speaking(body: bytes, status: int = 200, content_type: str = "application/json") -> Iterator[str]:
    """The address of a server that answers everything with these bytes."""

    async def answer(_request: Request) -> Response:
        return Response(body, status, None, content_type)

    app = Starlette(routes=[Route("/{path:path}", answer)])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="warning"))
    with processes.listening("exchange", 0) as opened:
        thread = threading.Thread(target=server.run, args=([opened],), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{opened.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def open_feed(
    feed: str, api: Api, stopped: threading.Event, symbols: list[str] | None = None
) -> Iterator[Tick | Rejected]:
    """The feed of that name."""
    if feed == "trades":
        return finnhub.Trades(api, symbols or ["AAPL", "MSFT"], STOCKS, stopped).read()
    if feed == "coins":
        return finnhub.Trades(api, finnhub.coin_names(symbols or ["BTC"]), CRYPTO, stopped).read()
    client = ApiClient(api, finnhub.judge if feed == "quotes" else cryptocompare.judge, stopped)
    if feed == "quotes":
        return poll(finnhub.Quotes(client, symbols or ["AAPL", "MSFT"]).ask, POLL_SECONDS, stopped)
    if feed == "full":
        return poll(cryptocompare.FullQuotes(client, symbols or ["BTC", "ETH"]).ask, POLL_SECONDS, stopped)
    return poll(cryptocompare.LatestTicks(client, symbols or ["BTC", "ETH"]).ask, POLL_SECONDS, stopped)


@dataclass
class Reader:
    """Reads a feed in a thread, as a producer would."""

    feed: Callable[[threading.Event], Iterator[Tick | Rejected]]
    stopped: threading.Event = field(default_factory=threading.Event)
    ticks: list[Tick] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    error: LabError | None = None

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        try:
            for item in self.feed(self.stopped):
                if isinstance(item, Rejected):
                    self.rejected.append(item)
                else:
                    self.ticks.append(item)
        except LabError as error:
            self.error = error

    def __enter__(self) -> "Reader":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join(30)
        assert not self.thread.is_alive(), "the feed did not stop"

    def await_ticks(self, count: int = 1) -> None:
        """Wait for so many more ticks."""
        wanted = len(self.ticks) + count
        wait_until(lambda: len(self.ticks) >= wanted or self.error, 30, f"{wanted} ticks", seen=lambda: self)
        assert self.error is None, self.error

    def await_end(self) -> LabError:
        """Wait until the feed has refused to go on."""
        wait_until(lambda: not self.thread.is_alive(), 30, "the feed to end", seen=lambda: self)
        assert self.error is not None
        return self.error
