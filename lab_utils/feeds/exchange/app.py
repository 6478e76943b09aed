"""The endpoints of the local exchange: CryptoCompare's two APIs, Finnhub's quotes and trades, and the controls."""

import asyncio
import contextlib
import hmac
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from lab_utils.errors import LabError
from lab_utils.feeds.exchange import answers
from lab_utils.feeds.exchange.answers import COIN_CURRENCY, COIN_MARKET, Reply
from lab_utils.feeds.exchange.faults import KINDS, ONLY_BEFORE, ONLY_WEBSOCKET, Faults, parse_fault
from lab_utils.feeds.exchange.market import Market, MarketTick
from lab_utils.ticks import CRYPTO, STOCKS, Asset

LOOK_SECONDS = 0.02
"""How often the market is looked at for new trades."""
HANG_SECONDS = 120.0
"""How long a call that times out is held; clients have given up by then."""
KEPT = 100_000
"""How many of the ticks served are remembered for `/control/served`."""

Built = tuple[bytes, list[tuple[str, int, str]]]
"""A good body, and the ticks in it: symbol, time as served, price."""


_TRANSPORTS: WeakValueDictionary[tuple[str, int], asyncio.Transport] = WeakValueDictionary()
"""The open connections, by the client's address."""


class ResettableProtocol(H11Protocol):
    """uvicorn's HTTP, which also knows the connection of each client, so that it can be reset."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the connection."""
        _TRANSPORTS[transport.get_extra_info("peername")[:2]] = transport
        super().connection_made(transport)


def reset_connection(client: tuple[str, int]) -> None:
    """Break a client's connection off: it sees a reset, and what was on its way is lost."""
    transport = _TRANSPORTS.get(client)
    if transport is not None:
        found: Any = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


@dataclass
class Served:
    """What the exchange has given out in good answers."""

    answers: Counter[str] = field(default_factory=Counter)
    """Good answers, by endpoint."""
    ticks: dict[tuple[str, str, int, str], None] = field(default_factory=dict)
    """The different ticks, in order: endpoint, symbol, time as served, price. A quote repeated is one tick."""
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)

    def note(self, endpoint: str, ticks: Sequence[tuple[str, int, str]]) -> None:
        """One more good answer."""
        self.answers[endpoint] += 1
        for symbol, time, price in ticks:
            # A quote is known by its second, as the APIs tell no more. Each trade is one by itself.
            if endpoint != "finnhub.trades" and self._seen.get((endpoint, symbol), -1) >= time:
                continue
            self._seen[endpoint, symbol] = time
            self.ticks[endpoint, symbol, time, price] = None
        while len(self.ticks) > KEPT:
            self.ticks.pop(next(iter(self.ticks)))


@dataclass
class Exchange:
    """The state behind the endpoints."""

    market: Market
    faults: Faults
    key: SecretStr
    served: Served = field(default_factory=Served)
    feeds: set["TradeFeed"] = field(default_factory=set)
    closing: bool = False
    """Set before the server is stopped, so that calls that are held end."""
    _last: dict[tuple[str, str], tuple[Reply, list[tuple[str, int, str]]]] = field(default_factory=dict)

    def app(self) -> Starlette:
        """The web application."""
        return Starlette(
            routes=[
                Route("/data/price", self.price),
                Route("/data/pricemulti", self.price_multi),
                Route("/data/pricemultifull", self.price_multi_full),
                Route("/index/cc/v1/latest/tick", self.latest_tick),
                Route("/api/v1/quote", self.quote),
                WebSocketRoute("/", self.trades),
                Route("/control/faults", self.get_faults, methods=["GET"]),
                Route("/control/faults", self.set_faults, methods=["POST"]),
                Route("/control/stats", self.stats),
                Route("/control/served", self.served_ticks),
            ],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        pump = asyncio.create_task(self._pump())
        yield
        pump.cancel()

    async def _pump(self) -> None:
        while True:
            self._advance()
            await asyncio.sleep(LOOK_SECONDS)

    def _advance(self) -> None:
        for tick in self.market.advance():
            for feed in self.feeds:
                feed.offer(tick)

    def _latest(self, asset: Asset, symbols: Sequence[str]) -> list[MarketTick]:
        self._advance()
        found = (self.market.latest.get(symbol) for symbol in symbols)
        return [tick for tick in found if tick is not None and tick.asset is asset]

    def accepts(self, given: str) -> bool:
        """Whether this is the key."""
        return hmac.compare_digest(given.encode(), self.key.get_secret_value().encode())

    # CryptoCompare, legacy

    async def price(self, request: Request) -> Response:
        """`/data/price?fsym=ETH&tsyms=USD`: the price, without a time."""
        symbols = [request.query_params.get("fsym", "")]

        def build() -> Built | None:
            ticks = self._latest(CRYPTO, symbols)
            return (answers.to_json({"USD": answers.number(ticks[0].fields["price"])}), []) if ticks else None

        return await self._answer(request, "cryptocompare.price", build)

    async def price_multi(self, request: Request) -> Response:
        """`/data/pricemulti?fsyms=BTC,ETH&tsyms=USD`: the prices, without a time."""
        symbols = request.query_params.get("fsyms", "").split(",")

        def build() -> Built | None:
            ticks = self._latest(CRYPTO, symbols)
            prices = {tick.symbol: {"USD": answers.number(tick.fields["price"])} for tick in ticks}
            return (answers.to_json(prices), []) if ticks else None

        return await self._answer(request, "cryptocompare.pricemulti", build)

    async def price_multi_full(self, request: Request) -> Response:
        """`/data/pricemultifull?fsyms=BTC,ETH&tsyms=USD`: full quotes. Unknown symbols are left out."""
        symbols = request.query_params.get("fsyms", "").split(",")

        def build() -> Built | None:
            ticks = self._latest(CRYPTO, symbols)
            return (answers.to_json(answers.full_quotes(ticks)), _in_seconds(ticks)) if ticks else None

        return await self._answer(request, "cryptocompare.pricemultifull", build)

    # CoinDesk Data

    async def latest_tick(self, request: Request) -> Response:
        """`/index/cc/v1/latest/tick?market=cadli&instruments=BTC-USD`: the newest values of an index."""
        instruments = request.query_params.get("instruments", "").split(",")
        symbols = [name.removesuffix("-USD") for name in instruments if name.endswith("-USD")]
        market = request.query_params.get("market", "")

        def build() -> Built | None:
            ticks = self._latest(CRYPTO, symbols)
            body = answers.to_json(answers.latest_ticks(ticks, market, 1_320_000_000))
            return (body, _in_seconds(ticks)) if ticks else None

        return await self._answer(request, "coindesk.tick", build)

    # Finnhub

    async def quote(self, request: Request) -> Response:
        """`/api/v1/quote?symbol=AAPL`: a quote; zeros for an unknown symbol."""
        symbol = request.query_params.get("symbol", "")

        def build() -> Built | None:
            ticks = self._latest(STOCKS, [symbol])
            return (answers.to_json(answers.quote(ticks[0])), _in_seconds(ticks)) if ticks else None

        return await self._answer(request, "finnhub.quote", build)

    async def trades(self, websocket: WebSocket) -> None:
        """The WebSocket: `{"type":"subscribe","symbol":"AAPL"}`, then each trade as it happens."""
        fault = self.faults.choose("finnhub.trades", ONLY_BEFORE | {"reset"})
        given = websocket.query_params.get("token") or websocket.headers.get("x-finnhub-token", "")
        if fault == "reset":
            reset_connection(_address(websocket))
        if fault in {"timeout", "reset"}:
            await self._until_gone(websocket)
            return
        refusal = fault or (None if self.accepts(given) else "401" if given else "no key")
        reply = answers.complaint("finnhub.trades", refusal) if refusal else None
        if reply is not None:
            await websocket.send_denial_response(_response(reply))
            return
        await websocket.accept()
        feed = TradeFeed(self, websocket)
        self.feeds.add(feed)
        try:
            await feed.run()
        finally:
            self.feeds.discard(feed)

    async def _until_gone(self, websocket: WebSocket) -> None:
        gone = asyncio.create_task(_disconnected(websocket))
        deadline = monotonic() + HANG_SECONDS
        while not gone.done() and not self.closing and monotonic() < deadline:
            await asyncio.sleep(LOOK_SECONDS)
        gone.cancel()

    # Answering

    async def _answer(self, request: Request, endpoint: str, build: Callable[[], Built | None]) -> Response:
        given = _given_key(request, endpoint)
        if not self.accepts(given):
            return _response(answers.complaint(endpoint, "401" if given else "no key"))
        fault = self.faults.choose(endpoint, set(KINDS) - ONLY_WEBSOCKET)
        if fault in {"timeout", "reset"}:
            return await self._no_answer(request, fault)
        refused = answers.complaint(endpoint, fault) if fault else None
        if refused is not None:
            return _response(refused)
        before = self._last.get((endpoint, str(request.query_params)))
        if fault == "stale" and before is not None:
            return _response(before[0])
        built = build()
        if built is None:
            return _response(answers.complaint(endpoint, "unknown"))
        body, ticks = built
        if fault == "cut":
            return _response(Reply(body[: len(body) // 2]))
        if fault == "zero":
            return _response(Reply(re.sub(rb'("c"|"PRICE"|"VALUE"):[0-9.]+', rb"\1:0", body)))
        reply = Reply(body, headers={"Cache-Control": "public, max-age=10"} if "price" in endpoint else {})
        self._last[endpoint, str(request.query_params)] = reply, ticks
        self.served.note(endpoint, ticks)
        return _response(reply)

    async def _no_answer(self, request: Request, fault: str) -> Response:
        if fault == "reset":
            reset_connection(_address(request))
        deadline = monotonic() + HANG_SECONDS
        while not self.closing and monotonic() < deadline and not await request.is_disconnected():
            await asyncio.sleep(LOOK_SECONDS)
        return Response(status_code=503)  # nobody listens any more

    # Controls

    async def get_faults(self, _request: Request) -> Response:
        """The faults that are switched on."""
        return JSONResponse({"faults": [str(fault) for fault in self.faults.faults], "kinds": KINDS})

    async def set_faults(self, request: Request) -> Response:
        """Replace the faults: `{"faults": ["429:0.1"]}`; an empty list switches all off."""
        # Pages of other sites cannot send this content type to loopback without being asked.
        if not request.headers.get("content-type", "").startswith(answers.JSON):
            return JSONResponse({"error": "Send application/json."}, status_code=415)
        try:
            wanted = (await request.json())["faults"]
            faults = [parse_fault(str(text)) for text in ([wanted] if isinstance(wanted, str) else wanted)]
        except LabError as error:
            return JSONResponse({"error": str(error)}, status_code=422)
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": 'Send {"faults": ["429:0.1"]}.'}, status_code=422)
        self.faults.faults = faults
        return await self.get_faults(request)

    async def stats(self, _request: Request) -> Response:
        """What was served: good answers, different ticks by symbol, faults made."""
        ticks: dict[str, Counter[str]] = {}
        for endpoint, symbol, _, _ in self.served.ticks:
            ticks.setdefault(endpoint, Counter())[symbol] += 1
        made: dict[str, dict[str, int]] = {}
        for (endpoint, kind), count in self.faults.made.items():
            made.setdefault(endpoint, {})[kind] = count
        return JSONResponse({"answers": dict(self.served.answers), "ticks": ticks, "faults": made})

    async def served_ticks(self, _request: Request) -> Response:
        """The different ticks served, oldest first: endpoint, symbol, time as served, price."""
        return JSONResponse([list(tick) for tick in self.served.ticks])


@dataclass(eq=False)
class TradeFeed:
    """One open WebSocket and what it has subscribed to."""

    exchange: Exchange
    websocket: WebSocket
    names: dict[tuple[Asset, str], str] = field(default_factory=dict)
    """The name under which the client asked for each symbol."""
    queue: asyncio.Queue[MarketTick] = field(default_factory=lambda: asyncio.Queue(10_000))

    def offer(self, tick: MarketTick) -> None:
        """Queue a tick if it is subscribed to. A client that does not read misses the newest."""
        if (tick.asset, tick.symbol) in self.names:
            with contextlib.suppress(asyncio.QueueFull):
                self.queue.put_nowait(tick)

    async def run(self) -> None:
        """Listen and send until one side closes."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._send())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, KeyError, ValueError, TypeError):
            while True:
                asked = await self.websocket.receive_json()
                await self._subscribe(str(asked["symbol"]), wanted=asked["type"] == "subscribe")

    async def _subscribe(self, name: str, *, wanted: bool) -> None:
        place = _place(name)
        if place[1] not in self.exchange.market.latest:
            await self.websocket.send_text(f'{{"msg":"Invalid symbol {_plain(name)}","type":"error"}}')
        elif wanted:
            self.names[place] = name
        else:
            self.names.pop(place, None)

    async def _send(self) -> None:
        while True:
            tick = await self.queue.get()
            fault = self.exchange.faults.choose("finnhub.trades", set(KINDS) - ONLY_BEFORE)
            if fault is not None and not await self._fault(fault, tick):
                return
            if fault in {None, "ping", "error", "empty"}:
                name = self.names.get((tick.asset, tick.symbol), tick.symbol)
                await self.websocket.send_text(answers.trade(tick, name).decode())
                price = tick.fields["price"] or ""
                self.exchange.served.note("finnhub.trades", [(tick.symbol, tick.milliseconds, price)])

    async def _fault(self, fault: str, tick: MarketTick) -> bool:
        """Do it; whether the connection is still good."""
        if fault == "close":
            await self.websocket.close(1011)
            return False
        if fault == "reset":
            reset_connection(_address(self.websocket))
            return False
        text = answers.trade(tick, tick.symbol).decode()
        words = {
            "ping": '{"type":"ping"}',
            "error": '{"msg":"Something went wrong","type":"error"}',
            "unknown": f'{{"msg":"Invalid symbol {tick.symbol}","type":"error"}}',
            "empty": "",
            "cut": text[: len(text) // 2],
            "zero": re.sub('"p":[0-9.]+', '"p":0', text),
        }
        if fault in words:
            await self.websocket.send_text(words[fault])
        return True


async def _disconnected(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.:_-]", "", name)[:20]


def _place(name: str) -> tuple[Asset, str]:
    """What Finnhub's name stands for: `BINANCE:BTCUSDT` is the coin BTC, `AAPL` the share."""
    if name.startswith(f"{COIN_MARKET}:"):
        return CRYPTO, name.removeprefix(f"{COIN_MARKET}:").removesuffix(COIN_CURRENCY)
    return STOCKS, name


def _in_seconds(ticks: Sequence[MarketTick]) -> list[tuple[str, int, str]]:
    return [(tick.symbol, tick.seconds, tick.fields["price"] or "") for tick in ticks]


def _given_key(request: Request, endpoint: str) -> str:
    if endpoint.startswith("finnhub"):
        return request.headers.get("x-finnhub-token") or request.query_params.get("token", "")
    header = request.headers.get("authorization", "")
    return header.removeprefix("Apikey ") or request.query_params.get("api_key", "")


def _address(connection: Request | WebSocket) -> tuple[str, int]:
    client = connection.client
    return (client.host, client.port) if client else ("", 0)


def _response(reply: Reply | None) -> Response:
    if reply is None:
        return Response(status_code=404)
    return Response(reply.body, reply.status, dict(reply.headers), reply.content_type)
