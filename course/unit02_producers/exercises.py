# The exercises of unit 02, with their solutions. Build: lab build

# %% [markdown]
# # 02 Running producers: exercises
#
# Seven functions, from easy to hard. Together they are a producer: the last one puts the parts to work. Write each in the place
# of the `...`, run its cell and the cell with the check below it.
#
# The checks try your functions on answers that you have not seen, on a local exchange of their own, and on the lab's broker.
# Any function that does the job passes; how it is written does not matter. When you are stuck, `hint("02.1")`.
#
# Start the servers first:

# %%
from lab_utils.teaching import check, hint, lab, progress, reveal

lab("up")

# %% tags=["setup"]
import json
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
from kafka import KafkaProducer
from kafka.errors import KafkaError

# %% [markdown]
# ## 02.1 From an answer to ticks
#
# `crypto_ticks` is given the body of an answer of `/data/pricemultifull`. It returns a list of ticks, one for each symbol **and**
# currency below `RAW`, in any order. Such a body, much shortened:
#
#     {"RAW": {"BTC": {"USD": {"FROMSYMBOL": "BTC", "TOSYMBOL": "USD", "PRICE": 73843.24, "LASTUPDATE": 1793629800},
#                      "EUR": {"FROMSYMBOL": "BTC", "TOSYMBOL": "EUR", "PRICE": 67935, "LASTUPDATE": 1793629799}}}}
#
# A tick is a dictionary with exactly these four keys:
#
# | key | value |
# |---|---|
# | `symbol` | as in `FROMSYMBOL` |
# | `currency` | as in `TOSYMBOL` |
# | `price` | `PRICE` as a `Decimal`, with every digit of the body |
# | `event_time` | `LASTUPDATE` (seconds since 1970) as a `datetime` with a time zone |


# %%
### BEGIN SOLUTION 02.1
def crypto_ticks(body: bytes) -> list[dict[str, Any]]:
    """The ticks in the body of an answer."""
    quotes = json.loads(body, parse_float=Decimal, parse_int=Decimal)["RAW"]
    return [
        {
            "symbol": quote["FROMSYMBOL"],
            "currency": quote["TOSYMBOL"],
            "price": quote["PRICE"],
            "event_time": datetime.fromtimestamp(int(quote["LASTUPDATE"]), UTC),
        }
        for by_currency in quotes.values()
        for quote in by_currency.values()
    ]


### END SOLUTION
### BEGIN STUB
# def crypto_ticks(body: bytes) -> list[dict[str, Any]]:
#     """The ticks in the body of an answer."""
#     return ...
### END STUB

# %%
check("02.1", crypto_ticks)

# %% [markdown] tags=["solution"]
# `parse_float` alone is not enough: a price that happens to be whole is written without a point, and comes as an `int`. The day
# on which Bitcoin stands at exactly 70000 is the day on which the program would behave differently.

# %% [markdown]
# ## 02.2 A quote, or nothing
#
# `stock_tick` is given a symbol and the body of Finnhub's `/api/v1/quote` for it. It returns one tick, with the same four keys as
# above, or `None` when the body holds no price: a quote whose price `c` is zero is none. The currency of all of them is `USD`.


# %%
### BEGIN SOLUTION 02.2
def stock_tick(symbol: str, body: bytes) -> dict[str, Any] | None:
    """The tick in a quote; None when there is no price in it."""
    quote = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    if not quote["c"]:
        return None
    moment = datetime.fromtimestamp(int(quote["t"]), UTC)
    return {"symbol": symbol, "currency": "USD", "price": quote["c"], "event_time": moment}


### END SOLUTION
### BEGIN STUB
# def stock_tick(symbol: str, body: bytes) -> dict[str, Any] | None:
#     """The tick in a quote; None when there is no price in it."""
#     return ...
### END STUB

# %%
check("02.2", stock_tick)

# %% [markdown]
# ## 02.3 Good, later, or never
#
# `judge` looks at an answer of either API and says what to do:
#
# | returns | when |
# |---|---|
# | `"stop"` | asking again is of no use: status 401 or 403, or a complaint (see below) that is not about the rate limit |
# | `("wait", seconds)` | it may pass: any other status than 200, a body that is no JSON, or a complaint about the rate limit |
# | `"ok"` | status 200, and JSON that is no complaint |
#
# A **complaint** is CryptoCompare's way to say no with status 200: `{"Response": "Error", "Type": 2, "Message": …}`. When it is
# about the rate limit, the `Type` is the number 99.
#
# The `seconds` are those of the header `Retry-After` as a number, or 1 when the answer has no such header. What the prices in a
# good answer are is not the business of `judge`.


# %%
### BEGIN SOLUTION 02.3
def judge(answer: httpx.Response) -> str | tuple[str, float]:
    """What to do after this answer."""
    wait = ("wait", float(answer.headers.get("Retry-After", 1)))
    if answer.status_code in {401, 403}:
        return "stop"
    if answer.status_code != 200:
        return wait
    try:
        body = answer.json()
    except ValueError:
        return wait
    if body.get("Response") == "Error":
        return wait if body.get("Type") == 99 else "stop"
    return "ok"


### END SOLUTION
### BEGIN STUB
# def judge(answer: httpx.Response) -> str | tuple[str, float]:
#     """What to do after this answer."""
#     return ...
### END STUB

# %%
check("02.3", judge)

# %% [markdown]
# ## 02.4 Only what is new
#
# An exchange answers each poll, whether anything has happened or not. `new_ticks` returns those of `ticks` that are new, in their
# order. A tick is new when its `event_time` is later than that of every tick of its symbol before it: in this list, and in
# the calls before.
#
# What your function must remember from call to call it keeps in the dictionary `seen`. It is empty at the first call, and the
# same one comes again at the next. Mind that a producer runs for months: keep at most one entry for each symbol.


# %%
### BEGIN SOLUTION 02.4
def new_ticks(ticks: list[dict[str, Any]], seen: dict[Any, Any]) -> list[dict[str, Any]]:
    """The ticks that are new; each has at least a `symbol` and an `event_time`."""
    found = []
    for tick in ticks:
        symbol, moment = tick["symbol"], tick["event_time"]
        if symbol not in seen or moment > seen[symbol]:
            seen[symbol] = moment
            found.append(tick)
    return found


### END SOLUTION
### BEGIN STUB
# def new_ticks(ticks: list[dict[str, Any]], seen: dict[Any, Any]) -> list[dict[str, Any]]:
#     """The ticks that are new; each has at least a `symbol` and an `event_time`."""
#     return ...
### END STUB

# %%
check("02.4", new_ticks)

# %% [markdown]
# ## 02.5 Count what arrived
#
# `send_counted` sends records, each a pair of key and value in bytes, and returns two numbers: how many the broker has
# acknowledged, and how many failed. Each record is one or the other. When it returns, nothing may be on its way any more.
#
# The broker refuses some of the records that the check has for you, and one is too large for the producer, so that `send` itself
# raises a `KafkaError`. None of them may stop the rest: the check's producer is not idempotent, and goes on after a refusal. Records that are in
# one batch with a refused one fail with it, as in the lesson; count what is reported for each.


# %%
### BEGIN SOLUTION 02.5
def send_counted(producer: KafkaProducer, topic: str, records: list[tuple[bytes | None, bytes]]) -> tuple[int, int]:
    """Send `records`; (acknowledged, failed)."""
    counts = {"acknowledged": 0, "failed": 0}

    def succeeded(_metadata: object) -> None:
        counts["acknowledged"] += 1

    def failed(_error: object) -> None:
        counts["failed"] += 1

    for key, value in records:
        try:
            future = producer.send(topic, key=key, value=value)
        except KafkaError as error:
            failed(error)
            continue
        future.add_callback(succeeded)
        future.add_errback(failed)
    producer.flush()
    return counts["acknowledged"], counts["failed"]


### END SOLUTION
### BEGIN STUB
# def send_counted(producer: KafkaProducer, topic: str, records: list[tuple[bytes | None, bytes]]) -> tuple[int, int]:
#     """Send `records`; (acknowledged, failed)."""
#     return ...
### END STUB

# %%
check("02.5", send_counted)

# %% [markdown]
# ## 02.6 A dead letter
#
# An answer could not be made into a tick. `send_dead_letter` sends it to `topic`, so that somebody can look at it later:
#
# - the value is `raw`, byte for byte as it came,
# - the key is the symbol, or none when the symbol is `None`,
# - the headers are `reason` (the text of the error), `exception` (the name of its class, as in `ValueError`) and `source` (the
#   word `producer`).
#
# When it returns, the broker has it.


# %%
### BEGIN SOLUTION 02.6
def send_dead_letter(producer: KafkaProducer, topic: str, raw: bytes, error: Exception, symbol: str | None) -> None:
    """Keep `raw`, which raised `error`."""
    headers = [
        ("reason", str(error).encode()),
        ("exception", type(error).__name__.encode()),
        ("source", b"producer"),
    ]
    key = None if symbol is None else symbol.encode()
    producer.send(topic, key=key, value=raw, headers=headers)
    producer.flush()


### END SOLUTION
### BEGIN STUB
# def send_dead_letter(producer: KafkaProducer, topic: str, raw: bytes, error: Exception, symbol: str | None) -> None:
#     """Keep `raw`, which raised `error`."""
#     ...
### END STUB

# %%
check("02.6", send_dead_letter)

# %% [markdown]
# ## 02.7 A producer
#
# All together. `run_producer` asks the exchange for the quotes of `symbols` in USD, again and again, and sends what is new to
# `topic`, until `stopped` is set. `client` knows the address of the exchange and the key already:
# `client.get("/data/pricemultifull", params={"fsyms": "BTC,ETH", "tsyms": "USD"})`.
#
# - A record has the symbol as key. Its value is JSON: `{"symbol": "BTC", "price": "73843.24", "time": 1793629800}`, the price
#   as **text** with every digit, the time as the number in `LASTUPDATE`.
# - After a good answer it waits 0.1 seconds and asks again.
# - After an answer without `RAW`, one that is no JSON, or none at all (`httpx.HTTPError`), it waits 0.1 seconds too, after a second
#   failure in a row 0.2, then 0.4, always twice as long, but never more than 1 second.
# - When `stopped` is set, it ends soon, and all that it has got until then has arrived. `stopped.wait(0.1)` waits 0.1
#   seconds, or less if `stopped` is set meanwhile; `stopped.is_set()` says whether it is.
#
# The check runs it for some seconds, with faults switched on. Then it compares: exactly those ticks that the exchange has served
# must be in the topic, each of them once.


# %%
### BEGIN SOLUTION 02.7
def run_producer(
    client: httpx.Client, symbols: list[str], producer: KafkaProducer, topic: str, stopped: threading.Event
) -> None:
    """Exchange → topic, until `stopped` is set."""
    params = {"fsyms": ",".join(symbols), "tsyms": "USD"}
    seen: dict[str, int] = {}
    failures = 0
    while not stopped.is_set():
        try:
            answer = client.get("/data/pricemultifull", params=params)
            quotes = json.loads(answer.content, parse_float=str, parse_int=str)["RAW"]
        except (httpx.HTTPError, ValueError, KeyError):
            stopped.wait(min(0.1 * 2**failures, 1))
            failures += 1
            continue
        failures = 0
        for symbol, by_currency in quotes.items():
            quote = by_currency["USD"]
            moment = int(quote["LASTUPDATE"])
            if symbol not in seen or moment > seen[symbol]:
                seen[symbol] = moment
                tick = {"symbol": symbol, "price": quote["PRICE"], "time": moment}
                producer.send(topic, key=symbol.encode(), value=json.dumps(tick).encode())
        stopped.wait(0.1)
    producer.flush()


### END SOLUTION
### BEGIN STUB
# def run_producer(
#     client: httpx.Client, symbols: list[str], producer: KafkaProducer, topic: str, stopped: threading.Event
# ) -> None:
#     """Exchange → topic, until `stopped` is set."""
#     ...
### END STUB

# %%
check("02.7", run_producer)

# %% [markdown] tags=["solution"]
# `parse_float=str` hands the digits of the price on without ever making a number of them.

# %% [markdown]
# ## How far am I?

# %%
progress()
