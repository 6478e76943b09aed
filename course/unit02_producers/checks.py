"""What the exercises of unit 02 check."""

import contextlib
import dataclasses
import functools
import json
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
from kafka import TopicPartition

from lab_utils.teaching.compare import same_number
from lab_utils.teaching.trial import Trial, short
from lab_utils.teaching.units import exercise

if TYPE_CHECKING:  # a web server takes a while to import, and every check of any unit loads this file
    from lab_utils.feeds.exchange.app import Exchange
    from lab_utils.feeds.exchange.market import Entry

TITLE = "Running producers"
MINUTES = 45

SYMBOLS = ["BTC", "ETH", "SOL", "XRP", "ADA"]
FULL, QUOTE = "/data/pricemultifull", "/api/v1/quote"
TICK_KEYS = {"symbol", "currency", "price", "event_time"}


# --- The exchange of a check -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Open:
    """An exchange that listens, and a client that has its key."""

    exchange: "Exchange"
    client: httpx.Client
    pauses: list[float]
    """Seconds between an answer and the next call, as the client sees them."""

    def set_faults(self, *texts: str) -> None:
        """Do these faults from now on, and no others."""
        from lab_utils.feeds.exchange.faults import parse_fault

        self.exchange.faults.faults = [parse_fault(text) for text in texts]

    @property
    def served(self) -> int:
        """How many different ticks were served."""
        return len(self.exchange.served.ticks)

    @property
    def failures(self) -> int:
        """How many answers were faults, repeated ones left out."""
        return sum(count for (_, kind), count in self.exchange.faults.made.items() if kind != "stale")

    @property
    def good(self) -> int:
        """How many answers were good."""
        return sum(self.exchange.served.answers.values())

    @property
    def calls(self) -> int:
        """How many calls there were."""
        stale = sum(count for (_, kind), count in self.exchange.faults.made.items() if kind == "stale")
        return self.good + self.failures + stale


@functools.cache
def _entries() -> "list[Entry]":
    from lab_utils.feeds.exchange.market import read_entries
    from lab_utils.feeds.exchange.server import SAMPLES

    return read_entries(SAMPLES)


def _open_exchange(trial: Trial, seed: int = 5) -> Open:
    """A real HTTP server on loopback, in this process, until the check ends."""
    from lab_utils.feeds.exchange.app import Exchange
    from lab_utils.feeds.exchange.faults import Faults
    from lab_utils.feeds.exchange.market import Market
    from lab_utils.feeds.exchange.place import key
    from lab_utils.feeds.exchange.server import Running

    exchange = Exchange(Market(_entries(), 20, seed), Faults(seed), key())
    door = socket.create_server(("127.0.0.1", 0))
    server = Running(exchange, door)
    trial.finally_do(server.stop)
    secret = key().get_secret_value()
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{door.getsockname()[1]}",
        headers={"Authorization": f"Apikey {secret}", "X-Finnhub-Token": secret},
        trust_env=False,
        timeout=10,
    )
    trial.finally_do(client.close)
    return Open(exchange, client, _pauses_of(client))


def _pauses_of(client: httpx.Client) -> list[float]:
    """The list to which each call of the client adds the seconds since the answer before it.

    Calls in a second would not tell who hurries on a machine that is so busy that each call takes long.
    """
    pauses: list[float] = []
    answered: list[float] = []

    def called(_request: httpx.Request) -> None:
        if answered:
            pauses.append(time.monotonic() - answered.pop())

    client.event_hooks = {"request": [called], "response": [lambda _answer: answered.append(time.monotonic())]}
    return pauses


# --- 02.1 and 02.2 -----------------------------------------------------------------------------------------------


def _full_body(*quotes: tuple[str, str, str, int]) -> bytes:
    """A body of `/data/pricemultifull` with these quotes: symbol, currency, the price's text, seconds."""
    raw: dict[str, list[str]] = {}
    for symbol, currency, price, seconds in quotes:
        raw.setdefault(symbol, []).append(
            f'"{currency}":{{"TYPE":"5","FROMSYMBOL":"{symbol}","TOSYMBOL":"{currency}","PRICE":{price},'
            f'"LASTUPDATE":{seconds},"MEDIAN":{price}1,"LASTTRADEID":"4711","VOLUME24HOUR":573086.14879595}}'
        )
    symbols = ",".join(f'"{symbol}":{{{",".join(parts)}}}' for symbol, parts in raw.items())
    return f'{{"RAW":{{{symbols}}},"DISPLAY":{{}}}}'.encode()


FULL_CASES = [
    [("BTC", "USD", "73843.24", 1793629800), ("ETH", "USD", "2411.38", 1793629793)],
    [("BTC", "USD", "70000", 1793629801), ("BTC", "EUR", "64412.5", 1793629802), ("SOL", "EUR", "136.3", 1770000000)],
    [("SHIB", "USD", "0.000012345678901234", 1793629803)],
    [("WBTC", "USD", "73843.123456789012345678", 1793629804)],
    [],
]


@exercise(
    "02.1",
    "From an answer to ticks",
    hints=[
        "`json.loads` makes a dictionary of the body. Below `RAW` there are two levels: the symbol, then the currency.",
        "`json.loads(body, parse_float=…)` lets a function of yours read each number with a point. For whole numbers there is "
        "`parse_int`. And `datetime.fromtimestamp(seconds, UTC)` gives a time with a time zone.",
        '    quotes = json.loads(body, parse_float=Decimal, …)["RAW"]\n'
        "    for by_currency in quotes.values():\n"
        "        for quote in by_currency.values():\n"
        "            …  # one tick",
    ],
)
def check_crypto_ticks(trial: Trial, crypto_ticks: Callable[..., Any]) -> None:
    trial.is_callable(crypto_ticks, "crypto_ticks")
    for quotes in FULL_CASES:
        body = _full_body(*quotes)
        trial.stage("returns a list")
        ticks = trial.call(crypto_ticks, body, given=f"crypto_ticks({_cut(body)})")
        assert isinstance(ticks, list), f"For {_cut(body)} it returned {short(ticks)}, which is no list."
        trial.stage("one tick a quote")
        assert len(ticks) == len(quotes), (
            f"Below RAW there are {len(quotes)} quotes in {_cut(body)}; your list has {len(ticks)} entries."
        )
        for tick in ticks:
            _is_tick(trial, tick, f"One of the entries for {_cut(body)}")
        trial.stage("symbols and currencies")
        mine = Counter((tick["symbol"], tick["currency"]) for tick in ticks)
        for pair in mine:
            assert mine[pair] == 1 and pair in {(symbol, currency) for symbol, currency, _, _ in quotes}, (
                f"From {_cut(body)} you have {mine[pair]} with the symbol {short(pair[0])} and the currency "
                f"{short(pair[1])}."
            )
        for symbol, currency, price, seconds in quotes:
            tick = next(tick for tick in ticks if (tick["symbol"], tick["currency"]) == (symbol, currency))
            _is_exact(trial, tick, price, seconds)


def _cut(body: bytes) -> str:
    """A body as a message shows it."""
    return short(body) if len(body) < 100 else f"{body[:150]!r}…"


def _is_tick(trial: Trial, tick: Any, what: str) -> None:
    trial.stage("is a tick")
    assert isinstance(tick, dict), f"{what} is {short(tick)}, which is no dictionary."
    assert set(tick) == TICK_KEYS, f"{what} has the keys {short(sorted(map(str, tick)))}."
    trial.stage("kinds of values")
    price, moment = tick["price"], tick["event_time"]
    assert isinstance(price, Decimal), f"{what} has the price {short(price)}, which is {_kind(price)} and no Decimal."
    assert isinstance(moment, datetime), f"{what} has the event_time {short(moment)}, which is no datetime."
    assert moment.tzinfo is not None, f"{what} has the event_time {moment.isoformat()}, which names no time zone."


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _is_exact(trial: Trial, tick: dict[str, Any], price: str, seconds: int) -> None:
    trial.stage("prices")
    assert tick["price"] == Decimal(price), f"The price {price} of {tick['symbol']} came out as {tick['price']}."
    trial.stage("times")
    wanted = datetime.fromtimestamp(seconds, UTC)
    assert tick["event_time"] == wanted, (
        f"The time {seconds} of {tick['symbol']} came out as {tick['event_time'].isoformat()}, "
        f"which is {tick['event_time'] - wanted} away from it."
    )


def _quote_body(price: str, seconds: int) -> bytes:
    return f'{{"c":{price},"d":0,"dp":null,"h":268.61,"l":0.0001,"o":268.43,"pc":267.15,"t":{seconds}}}'.encode()


ZEROS = b'{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}'
NO_PRICES = [ZEROS, _quote_body("0", 1793629800), _quote_body("0.0000", 1793629800)]
QUOTES = [
    ("AAPL", "267.45", 1793629800),
    ("TSLA", "243", 1770000000),
    ("PENNY", "0.0004", 1793629803),
    ("BRK.A", "705123.123456789012345", 1793629804),
]


@exercise(
    "02.2",
    "A quote, or nothing",
    hints=[
        "The body has one price, `c`, and one time, `t`. The symbol is not in it: that is why your function is given it.",
        "A `Decimal` of zero is false, like the number 0: `if not quote[…]`. Look before you make a tick.",
        "The time of a quote is in seconds, as in 02.1. (On the WebSocket it would be milliseconds.)",
    ],
)
def check_stock_tick(trial: Trial, stock_tick: Callable[..., Any]) -> None:
    trial.is_callable(stock_tick, "stock_tick")
    open_exchange = _open_exchange(trial)
    symbol, price, seconds = QUOTES[0]
    body = _quote_body(price, seconds)
    trial.stage("returns a tick")
    tick = trial.call(stock_tick, symbol, body)
    assert tick is not None, f"For {symbol} and {_cut(body)} it returned None."
    for symbol, price, seconds in QUOTES:
        body = _quote_body(price, seconds)
        trial.stage("returns a tick")
        tick = trial.call(stock_tick, symbol, body)
        assert tick is not None, f"For {symbol} and {_cut(body)} it returned None."
        _is_tick(trial, tick, f"What it returned for {symbol} and {_cut(body)}")
        trial.stage("symbol and currency")
        assert (tick["symbol"], tick["currency"]) == (symbol, "USD"), (
            f"For {symbol} the tick has the symbol {short(tick['symbol'])} and the currency {short(tick['currency'])}."
        )
        _is_exact(trial, tick, price, seconds)
    trial.stage("quotes without a price")
    for body in NO_PRICES:
        tick = trial.call(stock_tick, "XYZ", body)
        assert tick is None, f"For {_cut(body)} it returned {short(tick)}; there is no price in it."
    trial.stage("what the exchange says")
    answer = open_exchange.client.get(QUOTE, params={"symbol": "TSLA"})
    tick = trial.call(stock_tick, "TSLA", answer.content)
    assert tick is not None, f"For {_cut(answer.content)} it returned None."
    _is_exact(trial, tick, *next((text, time) for _, _, time, text in reversed(open_exchange.exchange.served.ticks)))


# --- 02.3 --------------------------------------------------------------------------------------------------------

STOP, OK = "stop", "ok"
FAULTS = {
    "an answer of the rate limit": ("429", "wait"),
    "a rate limit in plain text": ("429-text", "wait"),
    "an error of the server": ("500", "wait"),
    "a page instead of data": ("html", "wait"),
    "an empty answer": ("empty", "wait"),
    "an answer that is cut in the middle": ("cut", "wait"),
    "a refused key": ("401", STOP),
    "a plan without access": ("403", STOP),
}
PATHS = {"CryptoCompare": (FULL, {"fsyms": "BTC,ETH", "tsyms": "USD"}), "Finnhub": (QUOTE, {"symbol": "AAPL"})}


@exercise(
    "02.3",
    "Good, later, or never",
    hints=[
        "Begin with the status: `answer.status_code`. Only when it is 200 must you look into the body.",
        "`answer.json()` raises a `ValueError` when the body is no JSON. A header is read with "
        '`answer.headers.get("Retry-After", …)`; it is text.',
        '    if answer.status_code in {401, 403}:\n        return "stop"\n'
        "    if answer.status_code != 200:\n        …\n"
        "    try:\n        body = answer.json()\n    except ValueError:\n        …\n"
        '    if body.get("Response") == "Error":\n        …',
    ],
)
def check_judge(trial: Trial, judge: Callable[..., Any]) -> None:
    trial.is_callable(judge, "judge")
    opened = _open_exchange(trial)
    trial.stage("good answers")
    for name, (path, params) in PATHS.items():
        _judged(trial, judge, opened.client.get(path, params=params), f"a good answer of {name}", OK)
    for words, (fault, wanted) in FAULTS.items():
        opened.set_faults(fault)
        for name, (path, params) in PATHS.items():
            trial.stage("what may pass" if wanted == "wait" else "what cannot pass")
            _judged(trial, judge, opened.client.get(path, params=params), f"{words} ({name})", wanted)
    opened.set_faults()
    trial.stage("what cannot pass")
    path, params = PATHS["CryptoCompare"]
    _judged(trial, judge, opened.client.get(path, params={**params, "fsyms": "NOPE"}), "an unknown coin", STOP)
    trial.stage("how long to wait")
    for status, header, seconds in ((429, "7", 7), (503, "12", 12), (500, None, 1), (200, "3", 3), (200, None, 1)):
        answer = httpx.Response(
            status, headers={} if header is None else {"Retry-After": header}, content=b"<html>Back soon</html>"
        )
        _judged(trial, judge, answer, "a page", "wait", seconds)
    complaint = {"Response": "Error", "Type": 99, "Message": "You are over your rate limit", "Data": {}}
    answer = httpx.Response(200, headers={"Retry-After": "5"}, json=complaint)
    _judged(trial, judge, answer, "a rate limit", "wait", 5)


def _judged(
    trial: Trial, judge: Callable[..., Any], answer: httpx.Response, what: str, wanted: str, seconds: float = 1
) -> None:
    after = answer.headers.get("Retry-After")
    shown = f"status {answer.status_code}, {'no Retry-After' if after is None else f'Retry-After: {after}'}, "
    shown += f"body {_cut(answer.content)}"
    said = trial.call(judge, answer, given=f"judge(…) with {what}: {shown}")
    is_wait = isinstance(said, tuple | list) and len(said) == 2 and said[0] == "wait"
    assert is_wait or said in (OK, STOP), (
        f'You say {short(said)} to {what}: that is none of "ok", "stop" and ("wait", seconds).'
    )
    assert (wanted == "wait") == is_wait and (is_wait or said == wanted), f"You say {short(said)} to {what}: {shown}."
    if is_wait:
        assert same_number(said[1], seconds), f"You say {short(said)} to {what}: {shown}."


# --- 02.4 --------------------------------------------------------------------------------------------------------

START = datetime(2026, 11, 2, 14, 30, tzinfo=UTC)


def _tick(symbol: str, second: float, price: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "currency": "USD",
        "price": Decimal(price),
        "event_time": START + timedelta(seconds=second),
    }


POLLS: list[tuple[str, list[tuple[str, float, str]], list[int]]] = [
    ("the first poll", [("BTC", 0, "100"), ("ETH", 0, "50")], [0, 1]),
    ("the same answer again", [("BTC", 0, "100"), ("ETH", 0, "50")], []),
    ("one symbol moved", [("BTC", 1, "100"), ("ETH", 0, "50")], [0]),
    ("the same price at a later time", [("ETH", 2, "50"), ("BTC", 1, "100")], [0]),
    ("an older answer, as from a cache", [("BTC", 0.5, "99"), ("ETH", 1, "51")], []),
    ("an old time with another price", [("BTC", 1, "101")], []),
    ("a symbol that comes later", [("SOL", 0, "7"), ("BTC", 1, "100")], [0]),
    ("several of one symbol", [("BTC", 5, "1"), ("BTC", 4, "2"), ("BTC", 5, "3"), ("BTC", 6, "4")], [0, 3]),
    ("nothing", [], []),
]


@exercise(
    "02.4",
    "Only what is new",
    hints=[
        "For each symbol you need to remember one thing only: the latest `event_time` so far.",
        "`seen[symbol]` may hold it. At the first tick of a symbol there is no such entry yet: `symbol not in seen`.",
        "    for tick in ticks:\n        if … not in seen or … > seen[…]:\n            …  # remember it, and keep the tick",
    ],
)
def check_new_ticks(trial: Trial, new_ticks: Callable[..., Any]) -> None:
    trial.is_callable(new_ticks, "new_ticks")
    seen: dict[Any, Any] = {}
    for words, spec, places in POLLS:
        ticks = [_tick(*one) for one in spec]
        before = ", ".join(f"{symbol} at second {second:g}" for symbol, second, _ in spec) or "an empty list"
        trial.stage("returns a list")
        found = trial.call(new_ticks, [dict(tick) for tick in ticks], seen, given=f"{words} ({before})")
        assert isinstance(found, list), f"For {words} ({before}) it returned {short(found)}, which is no list."
        trial.stage("new ticks")
        missing = [ticks[place] for place in places if ticks[place] not in found]
        assert not missing, f"In {words} ({before}) there is something new, and you left out {_said(missing[0])}."
        trial.stage("no old ticks")
        extra = [tick for tick in found if tick not in [ticks[place] for place in places]]
        assert not extra, f"{words[0].upper()}{words[1:]} ({before}): you return {_said(extra[0])}, which is not new."
        trial.stage("order")
        assert found == [ticks[place] for place in places], (
            f"For {words} ({before}) you return {', '.join(map(_said, found))}."
        )
    trial.stage("little to remember")
    assert len(seen) <= 3, (
        f"There were 3 symbols, and `seen` has {len(seen)} entries now: it grows as long as the program runs."
    )
    trial.stage("remembers in `seen`")
    again = trial.call(new_ticks, [_tick("BTC", 0, "100")], {}, given="an empty `seen`")
    assert len(again) == 1, "With an empty `seen` every symbol is new, but your function knows BTC from calls before."


def _said(tick: Any) -> str:
    if not isinstance(tick, dict) or not {"symbol", "event_time"} <= set(tick):
        return short(tick)
    return f"{tick['symbol']} at second {(tick['event_time'] - START).total_seconds():g}"


# --- 02.5 --------------------------------------------------------------------------------------------------------


@exercise(
    "02.5",
    "Count what arrived",
    needs=["kafka"],
    hints=[
        "`producer.send` returns a future. It has `add_callback` for the good case and `add_errback` for the other.",
        "A function that counts must change something outside of itself: a dictionary, or a list to which it appends. The callbacks "
        "run when the answer of the broker comes; `producer.flush()` waits for all of them.",
        "    for key, value in records:\n        try:\n            future = producer.send(…)\n"
        "        except KafkaError:\n            …\n            continue\n"
        "        future.add_callback(…)\n        future.add_errback(…)",
    ],
)
def check_send_counted(trial: Trial, send_counted: Callable[..., Any]) -> None:
    trial.is_callable(send_counted, "send_counted")
    good = [(b"%s" % symbol.encode(), b"price %d" % number) for number in range(3) for symbol in SYMBOLS[:4]]
    # A compacted topic takes no record without a key, and with it the broker refuses the whole batch.
    bad = [(None, b"a record without a key")]
    large = [(b"BTC", b"x" * 3000)]
    for words, records in (
        ("all good", good),
        ("two without a key, which the broker refuses", [*good[:5], *bad, *good[5:9], *bad, *good[9:]]),
        ("one too large for the producer", [*good[:4], *large, *good[4:]]),
        ("an empty list", []),
    ):
        topic = trial.name("counted")
        trial.broker.create_topic(topic, 6, cleanup_policy="compact")
        # Not idempotent: with kafka-python an idempotent producer takes nothing more once a record was refused.
        producer, sent = trial.broker.watched_producer(
            linger_ms=100, enable_idempotence=False, max_request_size=2000, max_in_flight_requests_per_connection=1
        )
        given = f"{len(records)} records ({words})"
        trial.stage("returns two numbers")
        counts = trial.call(send_counted, producer, topic, list(records), given=given)
        on_its_way = sum(1 for future in sent if not future.is_done)
        is_pair = isinstance(counts, tuple | list) and len(counts) == 2 and all(same_number(n, n) for n in counts)
        assert is_pair, f"Given {given}, it returned {short(counts)}, which is not two numbers."
        trial.stage("waits")
        assert not on_its_way, (
            f"Given {given}: when your function returned, {on_its_way} of them were still on their way."
        )
        arrived = trial.broker.records(topic)
        trial.stage("sends all")
        if records is good:
            first = f", the first of them with the key {short(arrived[0].key)}" if arrived else ""
            assert Counter((seen.key, seen.value) for seen in arrived) == Counter(good), (
                f"Given {given}, and the topic holds {len(arrived)} now{first}."
            )
        trial.stage("acknowledged")
        assert counts[0] == len(arrived), (
            f"Given {given}, and the topic holds {len(arrived)} now: you say that {counts[0]} were acknowledged."
        )
        trial.stage("failed")
        assert counts[1] == len(records) - len(arrived), (
            f"Given {given}, and {len(records) - len(arrived)} did not arrive: you say that {counts[1]} failed."
        )


# --- 02.6 --------------------------------------------------------------------------------------------------------


class PriceError(Exception):
    """An error of the check's own."""


LETTERS: list[tuple[bytes, Exception, str | None]] = [
    (b'{"RAW":{"BTC":{"USD":{"PRI', ValueError("not a JSON object"), "BTC"),
    (b"\xff\xfe\x00 no text at all", PriceError("Preis fehlt: 0 \u20ac"), None),
    (b'{"c": 0,  "t":0}\n', KeyError("price"), "BRK.A"),
]


@exercise(
    "02.6",
    "A dead letter",
    needs=["kafka"],
    hints=[
        "`send` takes `headers`: a list of pairs of a name (text) and a value (bytes).",
        "The text of an error is `str(error)`, the name of its class `type(error).__name__`. Both must become bytes.",
        '    headers = [("reason", …), ("exception", …), ("source", b"producer")]',
    ],
)
def check_send_dead_letter(trial: Trial, send_dead_letter: Callable[..., Any]) -> None:
    trial.is_callable(send_dead_letter, "send_dead_letter")
    topic = trial.name("dead")
    trial.broker.create_topic(topic, 1)
    producer, sent = trial.broker.watched_producer(linger_ms=200)
    for raw, error, symbol in LETTERS:
        trial.stage("arrives")
        trial.call(send_dead_letter, producer, topic, raw, error, symbol)
        on_its_way = sum(1 for future in sent if not future.is_done)
        assert not on_its_way, "When your function returned, the record was still in the producer's buffer."
    letters = _with_headers(trial, topic)
    assert len(letters) == len(LETTERS), f"After {len(LETTERS)} calls the topic holds {len(letters)} records."
    for letter, (raw, error, symbol) in zip(letters, LETTERS, strict=True):
        trial.stage("value")
        assert letter.value == raw, f"The raw bytes {short(raw)} came out as {short(letter.value)}."
        trial.stage("key")
        assert letter.key == (None if symbol is None else symbol.encode()), (
            f"For the symbol {short(symbol)} the record has the key {short(letter.key)}."
        )
        trial.stage("headers")
        names = [name for name, _ in letter.headers]
        assert sorted(names) == ["exception", "reason", "source"], f"The record has the headers {short(names)}."
        headers = dict(letter.headers)
        assert headers["source"] == b"producer", f"The header source is {short(headers['source'])}."
        assert headers["reason"] == str(error).encode(), (
            f"The error {error!r} has the text {str(error)!r}; the header reason is {short(headers['reason'])}."
        )
        assert headers["exception"] == type(error).__name__.encode(), (
            f"For {error!r} the header exception is {short(headers['exception'])}."
        )


def _with_headers(trial: Trial, topic: str) -> list[Any]:
    """The records of a topic of one partition, headers and all."""
    consumer = trial.broker.consumer()
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    wanted = trial.broker.end_offsets(topic)[0]
    found: list[Any] = []
    deadline = time.monotonic() + 15
    while len(found) < wanted and time.monotonic() < deadline:
        found += consumer.poll(timeout_ms=200).get(place, [])
    return found


# --- 02.7 --------------------------------------------------------------------------------------------------------

TROUBLE = ("429:0.12", "html:0.08", "cut:0.1", "reset:0.1", "stale:0.15")
ENOUGH_TICKS, ENOUGH_FAILURES = 12, 4
AWAY_SECONDS = 3.2
LEAST_CALLS_WHILE_AWAY, MOST_CALLS_WHILE_AWAY = 5, 10
"""With pauses that double from 0.1 seconds there are six or seven; with steady pauses of a second four, of 0.1 up to 32."""
STEADY_CALLS, SHORTEST_PAUSE = 8, 0.07
"""With `stopped.wait(0.1)` no pause is shorter than 0.1 seconds, however busy the machine is."""
LEAST_CALLS_AFTER = 6
PHASE_SECONDS = 8.0
CALM_SECONDS = 5.0


@dataclasses.dataclass
class Course:
    """What the exchange went through while the answer ran, and what it saw."""

    stopped: threading.Event = dataclasses.field(default_factory=threading.Event)
    given_up: threading.Event = dataclasses.field(default_factory=threading.Event)
    step: str = "first calls"
    calls_while_away: int = 0
    calls_after: int = 0
    steady_pause: float = 0.0
    stopped_at: float = 0.0

    def run(self, opened: Open) -> None:
        """Trouble of all kinds, then nothing but complaints, then calm; then stop."""
        opened.set_faults(*TROUBLE)
        if self._until(lambda: opened.calls > 0, PHASE_SECONDS):
            self.step = "trouble"
            self._until(lambda: opened.served >= ENOUGH_TICKS and opened.failures >= ENOUGH_FAILURES, PHASE_SECONDS)
            opened.set_faults()
            good = opened.good
            self._until(lambda: opened.good > good, PHASE_SECONDS)  # the pauses begin anew
            opened.set_faults("429")
            self.step = "away"
            self.calls_while_away = self._calls_within(opened, AWAY_SECONDS)
            opened.set_faults()
            self.step, before = "calm", opened.calls
            self._until(lambda: opened.calls - before >= LEAST_CALLS_AFTER, CALM_SECONDS)
            self.calls_after = opened.calls - before
            begin = len(opened.pauses)
            self._until(lambda: len(opened.pauses) >= begin + STEADY_CALLS, CALM_SECONDS)
            self.steady_pause = statistics.median(opened.pauses[begin:] or [0.0])
            served = opened.served
            self._until(lambda: opened.served > served, CALM_SECONDS)  # stop when there is something to send
        self.stopped_at = time.monotonic()
        self.stopped.set()

    def _calls_within(self, opened: Open, seconds: float) -> int:
        before = opened.calls
        self.given_up.wait(seconds)
        return opened.calls - before

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline and not self.given_up.is_set():
            time.sleep(0.02)
        return condition()


@contextlib.contextmanager
def _under_way(course: Course, opened: Open) -> Iterator[None]:
    thread = threading.Thread(target=course.run, args=(opened,), name="check-02.7", daemon=True)
    thread.start()
    try:
        yield
    finally:
        course.given_up.set()
        thread.join()


@exercise(
    "02.7",
    "A producer",
    needs=["kafka"],
    seconds=35,
    hints=[
        "One loop: `while not stopped.is_set()`. In it: ask, read the answer, send what is new, wait. Ask and read belong into one "
        "`try`, because both can fail.",
        "Three kinds of exceptions tell you that an answer is no good: `httpx.HTTPError` (there was none), `ValueError` (no JSON), "
        '`KeyError` (no `["RAW"]` in it). Count the failures in a row, and set the count back to 0 after a good answer.',
        "    seen = {}\n    failures = 0\n    while not stopped.is_set():\n        try:\n            answer = client.get(…)\n"
        '            quotes = json.loads(answer.content, parse_float=str)["RAW"]\n'
        "        except (httpx.HTTPError, ValueError, KeyError):\n            …  # wait, longer each time\n"
        "            continue\n        …  # send what is new, as in 02.4\n        stopped.wait(0.1)\n    …  # nothing may stay in the buffer",
    ],
    equivalent_mutants={
        "'tsyms' → 'tsymsx'": "the local exchange gives US dollars whatever is asked for",
        "'USD' → 'USDx'": "the local exchange gives US dollars whatever is asked for",
        "json.loads(answer.content, parse_float=str, parse_int=str) → without parse_int=str": (
            "the time is made a number all the same, and no price of the recording is whole"
        ),
        "1 → 2": "the outage of the check is over before the pauses are much longer than a second",
        "0 → 1": "only the pauses before the first good answer get longer, which the check does not measure",
        "0 → 1 (2)": "the first pause becomes 0.2 seconds; a machine that is busy makes as much of 0.1",
        "1 → 2 (2)": "pauses that grow fourfold up to the same limit; the check leaves this room to a busy machine",
        "2 → 3": "pauses that grow threefold up to the same limit; the check leaves this room to a busy machine",
    },
)
def check_run_producer(trial: Trial, run_producer: Callable[..., Any]) -> None:
    trial.is_callable(run_producer, "run_producer")
    opened = _open_exchange(trial, seed=11)
    topic = trial.name("ticks")
    trial.broker.create_topic(topic, 3)
    producer, sent = trial.broker.watched_producer(linger_ms=100)
    course = Course()
    trial.finally_do(course.given_up.set)
    trial.stage("runs until it is stopped")
    with _under_way(course, opened):
        trial.call(
            run_producer,
            opened.client,
            list(SYMBOLS),
            producer,
            topic,
            course.stopped,
            given=f"run_producer(client, {SYMBOLS}, producer, topic, stopped)",
        )
        on_its_way = sum(1 for future in sent if not future.is_done)
        returned_early, step = not course.stopped.is_set(), course.step
    late = time.monotonic() - course.stopped_at
    assert not returned_early, _EARLY[step]
    assert opened.calls, "Your function made no call to the exchange at all."
    trial.stage("asks for all")
    symbols = sorted({symbol for _, symbol, _, _ in opened.exchange.served.ticks})
    assert symbols == sorted(SYMBOLS), (
        f"You were given {', '.join(SYMBOLS)}; the exchange has served quotes of {', '.join(symbols) or 'none'} only."
    )
    trial.stage("nothing stays behind")
    assert not on_its_way, (
        f"When your function returned, {on_its_way} of {len(sent)} records were still in the producer's buffer."
    )
    _arrived(trial, opened, trial.broker.records(topic))
    trial.stage("backs off")
    away = (
        f"While the exchange answered with its rate limit only, for {AWAY_SECONDS:g} seconds, your function called it "
        f"{course.calls_while_away} times"
    )
    assert course.calls_while_away <= MOST_CALLS_WHILE_AWAY, f"{away}: the pauses do not get longer."
    trial.stage("begins with short pauses")
    assert course.calls_while_away >= LEAST_CALLS_WHILE_AWAY, f"{away}: the first pauses are too long."
    trial.stage("keeps the pace")
    assert course.calls_after >= LEAST_CALLS_AFTER, (
        f"When the trouble was over, your function made {course.calls_after} calls in {CALM_SECONDS:g} seconds: "
        "it waits too long between good answers."
    )
    assert course.steady_pause >= SHORTEST_PAUSE, (
        f"While all was well, your function paused for {course.steady_pause:.3f} seconds between an answer and the next "
        "call: it does not wait between good answers as it should."
    )
    trial.stage("ends soon")
    assert late < 5, f"When `stopped` was set, your function needed {late:.1f} seconds to end."


_EARLY = {
    "first calls": "Your function returned before it was stopped, at its first calls.",
    "trouble": "Your function returned before it was stopped, when the exchange gave answers of all kinds.",
    "away": "Your function returned before it was stopped, while the exchange answered with its rate limit only.",
    "calm": "Your function returned before it was stopped, when the exchange had just begun to give good answers again.",
}


def _arrived(trial: Trial, opened: Open, records: list[Any]) -> None:
    """Exactly the ticks that were served are in the topic."""
    trial.stage("values")
    found: list[tuple[str, int, Decimal]] = []
    for record in records:
        value = _value(record.value)
        assert value is not None, f"The topic holds this value, which is no JSON object: {short(record.value)}."
        assert set(value) == {"symbol", "price", "time"}, f"A value has other keys than the three: {short(value)}."
        symbol, price, moment = value["symbol"], value["price"], value["time"]
        assert isinstance(price, str), f"The price in {short(value)} is {_kind(price)} and no text."
        assert isinstance(moment, int) and not isinstance(moment, bool), (
            f"The time in {short(value)} is {_kind(moment)} and no whole number."
        )
        try:
            found.append((symbol, moment, Decimal(price)))
        except ArithmeticError:
            raise AssertionError(f"The price in {short(value)} is no number.") from None
        trial.stage("keys")
        assert record.key == str(symbol).encode(), f"The value {short(value)} has the key {short(record.key)}."
        trial.stage("values")
    trial.stage("each once")
    counts = Counter((symbol, moment) for symbol, moment, _ in found)
    for (symbol, moment), count in counts.items():
        assert count == 1, (
            f"The topic holds {count} ticks of {symbol} with the time {moment}: a quote is new when its time is later."
        )
    served = {(symbol, moment, Decimal(price)) for _, symbol, moment, price in opened.exchange.served.ticks}
    trial.stage("nothing else arrives")
    extra = sorted(set(found) - served)
    assert not extra, f"In the topic is {_shown(extra[0])}, which the exchange has not served."
    trial.stage("all arrive")
    missing = sorted(served - set(found), key=lambda one: one[1])
    assert not missing, (
        f"The exchange served {len(served)} ticks and {len(missing)} of them are not in the topic, "
        f"as {_shown(missing[0])}."
    )


def _value(raw: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(raw or b"")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _shown(tick: tuple[str, int, Decimal]) -> str:
    return f"{tick[0]} at {tick[2]} of {tick[1]}"
