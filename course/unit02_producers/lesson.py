# The lesson of unit 02. Build: lab build

# %% [markdown]
# # 02 Running producers
#
# **Goal.** You ask a market's web service for prices, make ticks of its answers, and bring them to Kafka so that each arrives once
# and with every digit. Then you let the market misbehave, and see what a producer needs to survive it.
#
# About 45 minutes. You need Python and what unit 01 says about topics, partitions and keys. You need not know anything about
# web services. When a cell was missed, or something is in a muddle, begin again with the first cell: it removes what the lesson made.
# Nothing here can break the lab: `lab reset 02` in a terminal removes what this
# unit made, and puts a fresh copy of its exercises into `work/` (yours is kept beside it).

# %% [markdown]
# ## Where we are
#
# This unit is about the first two stations, and about the way into the third. The second one is orange in the picture: a producer is what we
# are going to write.

# %%
from lab_utils.teaching import clean_slate, lab

lab("up")
folder = clean_slate("02")

# %%
from lab_utils.teaching.pictures import pipeline_map

pipeline_map(here="producer")

# %% [markdown]
# ## 1. An exchange of your own
#
# Prices come from companies that sell them: CryptoCompare for coins, Finnhub for shares. Their web services need an account, cost
# money or are limited, and change. So the lab has an **exchange** of its own: a small web server on your machine that gives the
# same answers in the same formats, with simulated prices. A program that works with it works with the real ones; only the
# address and the key are others.
#
# `lab exchange` in a terminal starts it. Here we start one inside the notebook, because we are going to break it. It ends
# when the notebook's kernel ends. At `speed=20` an hour of the market passes in three minutes. You need not understand the cell: it finds a free
# port, and lets the exchange listen there.

# %%
import socket

from lab_utils.feeds.exchange.place import key
from lab_utils.feeds.exchange.server import Running, make_exchange

door = socket.create_server(("127.0.0.1", 0))  # port 0: any that is free
address = f"127.0.0.1:{door.getsockname()[1]}"
server = Running(make_exchange(speed=20), door)
print("the exchange listens at", address)

# %% [markdown]
# ## 2. Ask it
#
# A program talks to a web service over HTTP: it sends a **request** (a path and some parameters), and gets an **answer** with a
# status (a number; 200 means "here you are"), **headers** (names with values, which say something about the answer), and a **body** (what was
# asked for). A request may have headers too. The library `httpx` does this. We use one **client** for all requests: it keeps the connection open,
# and adds our API key to each of them. That is a secret word by which the company knows who asks, and has nothing to do with the key of a record.

# %%
import httpx

secret = key().get_secret_value()  # of our exchange; the settings hide it, so that it is not shown by accident
client = httpx.Client(
    base_url=f"http://{address}",
    headers={"Authorization": f"Apikey {secret}", "X-Finnhub-Token": secret},  # CryptoCompare's way, and Finnhub's
    timeout=5,  # seconds; without one, a server that hangs makes you hang
    trust_env=False,  # no proxy: the server is on this machine
)

answer = client.get("/data/pricemultifull", params={"fsyms": "BTC,ETH", "tsyms": "USD"})
print(answer.status_code, answer.headers["content-type"])
print(answer.text)

# %% [markdown]
# This is CryptoCompare's format, as raw as it comes. Look for these in it:
#
# - `RAW` is for programs: numbers are numbers. `DISPLAY` is for people, with currency signs and commas. Never read the latter.
# - Below `RAW` there is a level for each symbol, and below it one for each currency.
# - `PRICE` is the price, `LASTUPDATE` the moment at which it changed.
#
# Now Finnhub. Every company invents its own format:

# %%
answer = client.get("/api/v1/quote", params={"symbol": "AAPL"})
print(answer.status_code, answer.text)

# %% [markdown]
# `c` is the current price, `t` the moment, `pc` the close of the day before. The symbol is not in the body at all, and no currency
# is: you must remember what you asked for.
#
# The API key goes into a header. Finnhub also takes it in the address, as `?token=…`. Do not do that: addresses are written to logs,
# on your side and on the way.

# %% [markdown]
# ## 3. Units: what kind of number is this?
#
# `t` and `LASTUPDATE` count **seconds** since the beginning of 1970 in UTC. Finnhub has a second way to get prices, a WebSocket: a
# connection that stays open, on which the server sends each trade as it happens. Listen to three of them:

# %%
import json

from websockets.sync.client import connect

with connect(f"ws://{address}", additional_headers={"X-Finnhub-Token": secret}, proxy=None) as trades:
    trades.send(json.dumps({"type": "subscribe", "symbol": "AAPL"}))
    messages = [json.loads(trades.recv(timeout=30)) for _ in range(3)]
for message in messages:
    print(message)

# %% [markdown]
# Look at `t` here: it has three digits more. On the WebSocket the same company counts **milliseconds**. Nothing in the message
# says so; one finds it in the documentation, or the hard way:

# %%
from datetime import UTC, datetime

milliseconds = messages[0]["data"][0]["t"]
print("right: ", datetime.fromtimestamp(milliseconds / 1000, UTC))
try:
    print(datetime.fromtimestamp(milliseconds, UTC))
except (ValueError, OSError) as error:  # the second on Windows
    print("wrong: ", error)

# %% [markdown]
# Too large is the good case: Python complains. The other way round, seconds taken for milliseconds, every price of today happened
# in January 1970, and nobody complains. The first thing to do with a new source is to print one time and look at the year.
#
# Write `UTC` each time. Without it Python uses the time zone of the machine, and the same program gives other times elsewhere.

# %% [markdown]
# ## 4. Numbers: keep the digits
#
# `json.loads` makes a `float` of every number with a point. A float keeps about 16 digits, in base two. Coins are counted in parts
# of 10⁻¹⁸, so amounts have more digits than that:

# %% tags=["deterministic"]
from decimal import Decimal

body = '{"amount": 1234.567890123456789012, "price": 73843.20}'
print("float:  ", json.loads(body))
print("Decimal:", json.loads(body, parse_float=Decimal))
print("text:   ", json.loads(body, parse_float=str))

# %% [markdown]
# The float has lost the last six digits of the amount, without a word. `parse_float` names the function that reads each number with
# a point. `Decimal` keeps all digits and can be calculated with; `str` hands the digits on as they came.
#
# Three traps:

# %% tags=["deterministic"]
print("1. too late:   ", Decimal(json.loads("0.1")))
print("2. no point:   ", type(json.loads("70000", parse_float=Decimal)))
try:
    json.dumps({"price": Decimal("73843.20")})
except TypeError as error:
    print("3. and back:   ", error)

# %% [markdown]
# 1. A `Decimal` made of a float keeps the float's error, in full length. The digits must be saved while the text is read.
# 2. A number without a point is no float, so `parse_float` does not see it, and you get an `int`. Its own function is `parse_int`.
# 3. `json.dumps` cannot write a `Decimal`. We send prices as **text**: `{"price": "73843.20"}`.

# %% [markdown]
# ## 5. From answer to tick
#
# A **tick** is what we send: our own format, the same for all sources. This function makes one of a quote of Finnhub:


# %%
def to_tick(symbol: str, body: bytes) -> dict[str, str]:
    """The tick in the body of /api/v1/quote."""
    quote = json.loads(body, parse_float=str, parse_int=str)
    moment = datetime.fromtimestamp(int(quote["t"]), UTC)
    return {"symbol": symbol, "currency": "USD", "price": quote["c"], "event_time": moment.isoformat()}


print(to_tick("AAPL", client.get("/api/v1/quote", params={"symbol": "AAPL"}).content))

# %% [markdown]
# Does it work for all symbols? Mistype one:

# %%
answer = client.get("/api/v1/quote", params={"symbol": "APPL"})
print(answer.status_code, answer.text)
print(to_tick("APPL", answer.content))

# %% [markdown]
# There is no share of that name. Finnhub does not say so: the status is 200, and the quote is zeros. Our function made a tick of it,
# a share for nothing in 1970. In a chart of lowest prices this is a disaster. **A price of zero is no price.**
#
# The next trap. A web service does not call when a price changes: one must ask again and again, which is called **polling**. Ask for the same
# quote forty times, as fast as it goes, and count.

# %%
from collections import Counter

params = {"symbol": "AAPL"}
times = [json.loads(client.get("/api/v1/quote", params=params).content)["t"] for _ in range(40)]
for moment, count in Counter(times).items():
    print(datetime.fromtimestamp(moment, UTC), "came", count, "times")

# %% [markdown]
# Forty answers, and only one or a few times in them. An answer tells how things stand, not that something has happened. CryptoCompare even
# keeps each answer for ten seconds and gives it to all who ask. When the market is closed, you get the same quote all night. If each became a
# tick, averages and counts would be about your polling and not about the market. So a producer remembers, for each symbol, the time of the
# newest quote it has sent, and lets pass only **later** ones. One time for each symbol is enough; a list of all quotes seen would grow for ever.

# %%
newest: dict[str, int] = {}


def is_new(symbol: str, moment: int) -> bool:
    """Whether this quote is later than all before."""
    if moment <= newest.get(symbol, 0):
        return False
    newest[symbol] = moment
    return True


print("of", len(times), "quotes", sum(is_new("AAPL", moment) for moment in times), "are new")

# %% [markdown]
# ## 6. Into Kafka: who confirms what?
#
# `send` puts a record into a buffer, and a thread sends it. When is it safe? The setting `acks` decides what the producer waits for:
#
# | `acks` | the broker confirms | lost when |
# |---|---|---|
# | `0` | nothing | anything goes wrong; nobody will know |
# | `1` | when the broker that leads the partition has written it | that one dies before the others have copied it |
# | `"all"` | when all brokers whose copy is up to date have written it | all of them die |
#
# A second problem: the broker writes the record, and its confirmation gets lost on the way. The producer must send again, and the
# record is there twice. An **idempotent** producer numbers its records, and the broker drops a number that it has already.
#
# Both are the default of `kafka-python`. Now a trap that is worth this unit. Somebody wants it faster, and writes `acks=1`:

# %%
from kafka import KafkaProducer
from kafka.errors import KafkaError

from lab_utils.servers import kafka_server

servers = kafka_server.bootstrap_servers()
for options in ({}, {"acks": 1}):
    with KafkaProducer(bootstrap_servers=servers, **options) as producer:  # closed at the end of the block
        print(options, "→ idempotent:", producer.config["enable_idempotence"])

# %% [markdown]
# The second producer is no longer idempotent: no exception, no word. The library did say it, in one line of its log. We have not
# asked to see that log; ask now, and make the producer once more:

# %%
import logging
import sys

import kafka.producer.kafka as library

library.log = logging.getLogger("kafka.producer")  # see below
logging.getLogger("kafka").setLevel(logging.WARNING)
logging.basicConfig(stream=sys.stdout, format="%(levelname)s: %(message)s", force=True)
KafkaProducer(bootstrap_servers=servers, acks=1).close()
logging.getLogger("kafka").setLevel(logging.CRITICAL)  # from here on it is quiet again; we shall count ourselves

# %% [markdown]
# In a service nobody reads that line, and weeks later there are records twice. It may not even be written: when Python removes a producer that
# is no longer used, this library's log of producers falls silent for good. That is why the cell puts it back first.
#
# The cure is to **say what you rely on**. Then the library cannot drop it silently:

# %%
try:
    KafkaProducer(bootstrap_servers=servers, acks=1, enable_idempotence=True)
except KafkaError as error:
    print(error)

producer = KafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)

# %% [markdown]
# Now send. One call brings the quotes of all coins; each becomes a record with its symbol as key, so that the ticks of one coin stay
# in order. We do this for three seconds: `is_new` decides what is sent, so there are fewer ticks than polls times coins.

# %%
import time

from kafka import KafkaAdminClient

COINS = ["BTC", "ETH", "SOL", "XRP", "ADA"]
CRYPTO = "unit02.crypto"

admin = KafkaAdminClient(bootstrap_servers=servers)


def make_topic(name: str, partitions: int, settings: dict[str, str]) -> None:
    """Create a topic, unless it is there from an earlier run of this cell."""
    if name not in admin.list_topics():
        admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1, "configs": settings}})
        admin.wait_for_topics([name])


make_topic(CRYPTO, partitions=3, settings={})


def ask_coins() -> httpx.Response:
    """The quotes of all coins, in one call."""
    return client.get("/data/pricemultifull", params={"fsyms": ",".join(COINS), "tsyms": "USD"})


def send_new(answer: httpx.Response) -> int:
    """Send the quotes that are new; how many."""
    count = 0
    for symbol, by_currency in json.loads(answer.content, parse_float=str)["RAW"].items():
        quote = by_currency["USD"]
        if is_new(symbol, quote["LASTUPDATE"]):
            tick = {"symbol": symbol, "price": str(quote["PRICE"]), "time": quote["LASTUPDATE"]}
            producer.send(CRYPTO, key=symbol.encode(), value=json.dumps(tick).encode())
            count += 1
    return count


end = time.monotonic() + 3
polls = sent = 0
while time.monotonic() < end:
    sent += send_new(ask_coins())
    polls += 1
    time.sleep(0.2)
producer.flush()
print(polls, "polls,", sent, "ticks")

# %%
from lab_utils.teaching.pictures import partition_bars

partition_bars(CRYPTO)

# %% [markdown]
# Point at a block to read the tick. Each coin is in one partition. `LASTUPDATE` counts whole seconds, and
# `is_new` takes one quote of a coin for each: we asked several times a second, so many polls brought nothing new. What moves within
# a second is lost to whoever polls; the WebSocket of section 3 sends all of it.
#
# ## 7. Count confirmations, not sends
#
# The number of ticks that we printed says how often we called `send`. It does not say what arrived. For that, `send` returns a **future**: an
# object that will know. Give it two functions, one for each way it can end:
#
# - `add_callback`: called when the broker has confirmed the record,
# - `add_errback`: called with the error when it has not.
#
# To see both, we need a broker that refuses. A topic with `cleanup.policy=compact` keeps the newest record of each key, and so it
# takes none without a key. We send ten records, and the fourth has no key. How many will arrive?

# %%
PICKY = "unit02.picky"
make_topic(PICKY, partitions=1, settings={"cleanup.policy": "compact"})

outcome: Counter[str] = Counter()


def succeeded(_metadata: object) -> None:
    """Called for each record that has arrived."""
    outcome["acknowledged"] += 1


def failed(error: BaseException) -> None:
    """Called for each record that has not."""
    outcome[type(error).__name__] += 1


picky = KafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True, linger_ms=1000)
for number in range(10):
    future = picky.send(PICKY, key=None if number == 3 else b"BTC", value=b"price %d" % number)
    future.add_callback(succeeded)
    future.add_errback(failed)
picky.flush()
print(dict(outcome))

# %% [markdown]
# Not one is acknowledged. `send` went well ten times, `flush` did not complain, and nothing arrived. The producer sends records in batches, and the
# broker takes a batch as a whole or not at all. One record was bad (`InvalidRecordError`), and nine were in the same boat (`KafkaError`).
#
# A program that counts its calls of `send` would report ten. There is more: try a good record with the same producer.

# %%
try:
    picky.send(PICKY, key=b"BTC", value=b"a good one").get(timeout=30)
    print("it arrived")
except KafkaError as error:
    print("refused again:", type(error).__name__)
picky.close()

again = KafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
print("a new producer: offset", again.send(PICKY, key=b"BTC", value=b"a good one").get(timeout=30).offset)
again.close()

# %% [markdown]
# With kafka-python an idempotent producer that was refused once takes nothing more: its numbers have a gap. It must be closed, and a new
# one made. (One that is not idempotent goes on with the next batch.) What is better still: never send what will be refused. That is why ticks are looked at *before* they are sent.
#
# And some errors come from `send` itself, as an exception, before anything is sent:

# %%
try:
    producer.send(CRYPTO, key=b"BTC", value=b"x" * 2_000_000)
except KafkaError as error:
    print(type(error).__name__)

# %% [markdown]
# So whoever counts needs three places: callback, errback, and an `except` around `send`. Callbacks run in the producer's own thread: let
# them count and nothing else, since the thread that waits in your callback sends nothing meanwhile.

# %% [markdown]
# ## 8. Batches: linger and flush
#
# A batch costs one request, however many records are in it. `linger_ms` says how long the producer may wait for more before it
# sends. Send 150 records, one each five milliseconds, with three settings:

# %%
import pandas as pd


def send_slowly(linger_ms: int) -> dict[str, float]:
    """150 records; how they were packed, and how long one waited for its confirmation."""
    waits: list[float] = []
    producer = KafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True, linger_ms=linger_ms)
    producer.partitions_for(CRYPTO)  # learn about the topic before the clock starts
    for number in range(150):
        begin = time.monotonic()
        future = producer.send(CRYPTO, key=COINS[number % 5].encode(), value=b"a price")
        future.add_callback(lambda _metadata, begin=begin: waits.append(time.monotonic() - begin))
        time.sleep(0.005)
    producer.flush()
    packed = producer.metrics()["producer-metrics"]["records-per-request-avg"]
    producer.close()
    return {
        "linger_ms": linger_ms,
        "records a request": round(packed, 1),
        "ms until confirmed": sum(waits) / 150 * 1000,
    }


pd.DataFrame([send_slowly(0), send_slowly(20), send_slowly(200)]).round(1)

# %% [markdown]
# The table has a line for each setting. More linger, fewer and fuller requests, and each record waits longer. For prices on a screen a few
# milliseconds are right (the lab uses 5); for a load of a million rows, more.
#
# `flush` ends all waiting. It belongs at the end. Called after each record, it makes every batch a batch of one:

# %%
for often in (True, False):
    begin = time.monotonic()
    for _ in range(200):
        producer.send(CRYPTO, key=b"BTC", value=b"a price")
        if often:
            producer.flush()
    producer.flush()
    print(f"flush {'after each' if often else 'at the end'}: {time.monotonic() - begin:.2f} s for 200 records")

# %% [markdown]
# ## 9. When the exchange is in trouble
#
# Web services fail every day. Ours fails on demand: it has a control address, at which one switches **faults**, things that it does wrong, on and
# off. We let it do ten of them, one after the other, and look at what comes from both companies.

# %%
FAULTS = ["429", "429-text", "401", "403", "500", "503", "unknown", "html", "empty", "cut"]


def set_faults(*faults: str) -> None:
    """From now on the exchange does these; none: it is well again."""
    done = client.post("/control/faults", json={"faults": list(faults)})  # POST sends something, GET only asks
    done.raise_for_status()  # an exception unless the status is a good one


rows = []
for fault in FAULTS:
    set_faults(fault)
    for company, seen in (("CryptoCompare", ask_coins()), ("Finnhub", client.get("/api/v1/quote", params=params))):
        after = seen.headers.get("Retry-After", "")
        rows.append((fault, company, seen.status_code, after, seen.text[:75]))
set_faults()
pd.set_option("display.max_colwidth", 80)
pd.DataFrame(rows, columns=["fault", "company", "status", "Retry-After", "the body begins"])

# %% [markdown]
# Read it line by line; each is a trap that has cost somebody a night.
#
# - **`429`, you ask too often.** Finnhub says it with status 429. CryptoCompare says **200** and `"Response":"Error"`. A program that looks
#   at the status alone takes this for data.
# - **`429-text`**: sometimes the same is plain text, and a program that reads JSON before it looks at the status falls over it.
# - **`401`, `403`**: the key is wrong, or does not cover this. It will not get better by asking again: stop, and tell a person.
# - **`500`, `503`**: the server is ill. `Retry-After` asks for a pause of that many seconds. Do as it says.
# - **`unknown`**: no such symbol. CryptoCompare complains with status 200, Finnhub sends zeros.
# - **`html`, `empty`, `cut`**: status 200 and no data, or half of it. The page comes from a machine in between, the cut from a broken connection.
#
# So there are three kinds of answers: **good**, **later**, **never**. And one must look at both status and body to tell.
#
# One more kind is no answer at all:

# %%
set_faults("reset")
try:
    ask_coins()
except httpx.HTTPError as error:
    print("no answer:", type(error).__name__)
set_faults()

# %% [markdown]
# `httpx.HTTPError` is the parent of all its network errors: connection refused, reset, timed out.
#
# ## 10. Ask again, but politely
#
# When a call fails, the worst is to ask again at once: thousands of programs that do so keep the server down. The rule: wait, and after
# each further failure **twice as long**, up to a limit. After a good answer, begin anew. This is called **back-off**. A little chance in
# each pause (**jitter**) keeps programs that failed together from coming back together.
#
# To make it visible: after ten calls the exchange breaks down, and is repaired six calls later. Each call is noted with its time. The cell ends
# after 26 calls, and the next one draws them.

# %%
import random


def good(answer: httpx.Response) -> bool:
    """Whether there are quotes in this answer. Asks for what must be there, not for all that can be wrong."""
    try:
        return "RAW" in answer.json()
    except ValueError:
        return False


calls: list[tuple[float, str]] = []
failures = 0
begin = time.monotonic()
while len(calls) < 26:
    if len(calls) in (10, 16):
        set_faults(*["500"] if len(calls) == 10 else [])
    seconds = time.monotonic() - begin
    try:
        is_good = good(ask_coins())
    except httpx.HTTPError:
        is_good = False
    calls.append((seconds, "good" if is_good else "failed"))
    failures = 0 if is_good else failures + 1
    pause = 0.2 if is_good else min(0.1 * 2**failures, 2) * random.uniform(0.8, 1)
    time.sleep(pause)
print(len(calls), "calls in", round(time.monotonic() - begin), "seconds")

# %%
import plotly.express as px

px.scatter(
    pd.DataFrame(calls, columns=["seconds", "answer"]),
    x="seconds",
    y="answer",
    color="answer",
    color_discrete_map={"good": "#2e9e5b", "failed": "#d9534f"},
    height=220,
    title="Each dot is a call",
)

# %% [markdown]
# The red dots move apart: the server is left in peace while it is ill. The price is that its recovery is seen a little later, at most
# by the longest pause.
#
# Our loop has two weaknesses: it does not read `Retry-After`, and `good` treats a wrong key like a broken server, and asks for
# ever. Both are mended in exercise 02.3.
#
# Better than to be refused is not to ask too often. Finnhub's free plan allows 60 calls a minute, and its quotes come one symbol a
# call:

# %% tags=["deterministic"]
shares, calls_a_minute = 5, 60
print("with", shares, "shares, poll every", shares * 60 / calls_a_minute, "seconds, or less often")

# %% [markdown]
# ## 11. Dead letters
#
# Some answers are data, and yet no tick comes of them: cut in the middle, a price of zero, a time in the year 58,000. To throw them away is to
# lose what could have been repaired; to stop is to lose everything else. So they are sent to a topic of their own as **dead
# letters**: the raw bytes, exactly as they came, and in the record's **headers** why. A header is a name with bytes, beside key and value.

# %%
DEAD = "unit02.dead"
make_topic(DEAD, partitions=1, settings={})

set_faults("cut")
raw = ask_coins().content
set_faults()
try:
    json.loads(raw)
except ValueError as error:
    headers = [("reason", str(error).encode()), ("source", b"lesson 02")]
    producer.send(DEAD, value=raw, headers=headers)
    producer.flush()

# %% [markdown]
# Read it back, as somebody would who looks for the reason:

# %%
from kafka import KafkaConsumer

reader = KafkaConsumer(DEAD, bootstrap_servers=servers, auto_offset_reset="earliest", consumer_timeout_ms=20_000)
letter = next(reader)
reader.close()
for name, value in letter.headers:
    print(f"{name:8} {value.decode()}")
print("value   ", letter.value[:60], "…", len(letter.value), "bytes")

# %% [markdown]
# Do not put the raw text into a JSON of your own "to keep it tidy": bytes that are no text would be changed or refused, and then the letter
# is no longer evidence.
#
# The line between both: an answer that held no data (a page, a rate limit) is asked for again and leaves no letter. An answer that
# held data which cannot be used is one; if it was cut, one also asks again.

# %% [markdown]
# ## 12. How the lab's own producers do it
#
# You have now met every part of `lab produce`, the command that runs one of the lab's producers. Its parts are called here one by one, so that they
# ask our exchange, with a fifth of all answers broken, until 20 records were sent: ticks to `crypto_topic`, dead letters to `crypto_topic.dlq`. The 0.5 is the pause between two polls, in
# seconds:

# %%
import itertools
import threading

from lab_utils import ticks
from lab_utils.feeds.sources import exchange_api, source_of, ticks_of
from lab_utils.producers.delivery import deliver

set_faults("429:0.05", "html:0.05", "cut:0.05", "reset:0.05")
api = exchange_api(source_of(ticks.CRYPTO), address, key())
feed = ticks_of(api, ticks.CRYPTO, 0.5, threading.Event())
delivery = deliver(ticks.CRYPTO, itertools.islice(feed, 20))
set_faults()
print(delivery.as_dict())

# %% [markdown]
# `acknowledged` counts callbacks. `rejected` are those of them that went to the dead letters, if a cut answer was among them. `undelivered` must be 0.
#
# | idea | where in the lab |
# |---|---|
# | numbers keep their digits | `lab_utils/feeds/api_client.py`, `json_object` |
# | good, later, never | there, `judged`; and `judge` in `cryptocompare.py` and `finnhub.py` beside it |
# | back-off with jitter | there, `pause_seconds` |
# | stay below the limits | `lab_utils/feeds/limits.py` |
# | only what is new | `lab_utils/feeds/polling.py`, `Fresh` |
# | zeros of Finnhub | `lab_utils/feeds/finnhub.py`, `Quotes` |
# | idempotence by name | `lab_utils/kafka_utils.py`, `make_producer` |
# | counting what arrived, dead letters | `lab_utils/producers/delivery.py` |
#
# Open one of them. You will meet these ideas in each.
#
# Clean up:

# %%
producer.close()
admin.close()
client.close()
server.stop()
logging.getLogger("kafka").setLevel(logging.NOTSET)
print("the exchange is closed")

# %% [markdown]
# ## What you have learnt
#
# - An answer has a status **and** a body, and both may lie. Good, later, never.
# - Seconds or milliseconds: look at the year. Always in UTC.
# - Save the digits while you read: `parse_float` and `parse_int`. Prices travel as text.
# - A price of zero is no price, and an old quote is no new tick.
# - `acks="all"` and `enable_idempotence=True`, both **by name**.
# - Count callbacks and errbacks, not sends. One bad record takes its batch with it. `flush` at the end.
# - Back off: twice as long after each failure, with jitter. Obey `Retry-After`.
# - What cannot be used is kept: raw bytes, and the reason in a header.
#
# **Next:** the exercises. The cell below copies them; open `02_producers.ipynb` in the folder `work`.

# %%
lab("exercise", "start", "02")
