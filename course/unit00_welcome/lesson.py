# The lesson of unit 00. Build: lab build

# %% [markdown]
# # 00 Welcome
#
# **Goal.** You know the way that a price takes through this lab, you have its servers running, you have seen ticks arrive, and
# you know how an exercise tells you what it thinks of your answer.
#
# About 30 minutes. Run each cell with Shift+Enter, look at what it shows, then read on. The text behind a cell is about what the cell
# has shown.

# %% [markdown]
# ## The map
#
# On a market something is traded every few milliseconds. Each trade leaves a small message: this symbol, this price, this moment. We
# call it a **tick**. Here is the way of a tick from the market to a line on your screen. The orange station is the
# one that the text is about; a green rim means that a server runs.

# %%
from lab_utils.teaching.pictures import pipeline_map

pipeline_map(here="feed")

# %% [markdown]
# 1. A **feed** tells what happens on the market. In this lab it is simulated, a recording or a small exchange on your own machine, so that
#    nobody needs an account.
# 2. A **producer** turns what the feed says into ticks, and sends them on.
# 3. **Kafka** keeps the ticks in order, for whoever wants to read them, as often as they want.
# 4. **Spark** reads them as they come, and computes: for example the highest price of each minute.
# 5. **PostgreSQL** keeps the result in tables that can be asked.
# 6. **Dashboards** show what the tables say, and ask again and again.
#
# Each station is a process of its own. Any of them can be stopped, and the others go on. This is what makes the pipeline worth
# its parts. You need not know Kafka, Spark or PostgreSQL: each has its units.

# %% [markdown]
# ## Is this machine fit?
#
# `lab("doctor")` runs the command `lab doctor`, which you can also type in a terminal. Each line is OK, or says how to mend it.

# %%
from lab_utils.teaching import lab

lab("doctor")

# %% [markdown]
# ## Start the servers
#
# They are real: the same Kafka and PostgreSQL that banks run, only one of each and with little memory. They go on running in the background
# until `lab down`. Wait until the cell has said where each of them accepts clients, and how long it took.

# %%
lab("up")

# %%
pipeline_map(here="kafka")

# %% [markdown]
# The rims of Kafka and PostgreSQL are green now, and Kafka is the orange one, because it comes next.
#
# ## First ticks
#
# A few words of Kafka's, which unit 01 explains with all that belongs to them:
#
# - a message that Kafka keeps is a **record**;
# - records of one kind are kept in a **topic**, which has a name: ours is `crypto_topic`;
# - a topic is cut into **partitions**, numbered from 0, so that several programs can share the work;
# - within its partition each record has a number, its **offset**. The first is 0.
#
# Replay ten minutes of the recording into that topic, as fast as it goes. The last line is the producer's report: how many ticks it has sent, and
# how many of them Kafka has confirmed.

# %%
import gzip
import itertools

from lab_utils.settings import ROOT
from lab_utils.teaching import clean_slate

recording = clean_slate("00") / "crypto_ticks.jsonl"
with gzip.open(ROOT / "data_samples" / "crypto_ticks.jsonl.gz", "rt") as lines:
    recording.write_text("".join(itertools.islice(lines, 3000)))

from lab_utils import kafka_utils

ends = kafka_utils.end_offsets(["crypto_topic"])  # where the topic ends now: what comes behind it is ours
lab("produce", "crypto", "--feed", f"file:{recording}", "--speed", "max")

# %% [markdown]
# They are in Kafka now. Read them back and look at five, with a few lines of Python. You need not understand each line yet; unit 01 is about
# them.

# %%
from kafka import KafkaConsumer, TopicPartition

from lab_utils.servers import kafka_server

consumer = KafkaConsumer(bootstrap_servers=kafka_server.bootstrap_servers(), consumer_timeout_ms=20_000)
places = {TopicPartition(topic, partition): end for (topic, partition), end in ends.items()}
consumer.assign(list(places))
for place, end in places.items():
    consumer.seek(place, end)
ours = (record.value for record in consumer if b'"source":"simulated"' in record.value)  # others if `lab start` runs
values = list(itertools.islice(ours, 3000))
consumer.close()
for value in values[:5]:
    print(value.decode(), "\n")

# %% [markdown]
# One tick is one line of JSON. The fields that matter most:
#
# | field | meaning |
# |---|---|
# | `symbol` | what was traded |
# | `price`, `currency` | for how much, with all the digits that the market sent |
# | `size` | how much of it |
# | `event_time` | when it happened on the market |
# | `ingest_time` | when our producer sent it on |
#
# Two times, because they are never the same: the recording is older than today, and was sent on just now. Even on a live market a tick is on its
# way for a while. A good part of this course is about the difference.
#
# The next cell makes a table of all that were read, and asks it for the lowest and the highest price of each symbol.

# %%
from decimal import Decimal

import pandas as pd

from lab_utils.ticks import CRYPTO, field_texts, make_tick

ticks = [make_tick(CRYPTO, field_texts(value)) for value in values]
table = pd.DataFrame([{"symbol": tick.symbol, "price": tick.price, "event_time": tick.event_time} for tick in ticks])
table.groupby("symbol").agg(ticks=("price", "size"), lowest=("price", "min"), highest=("price", "max"))

# %% [markdown]
# The prices in that table are `Decimal`, Python's exact decimal numbers, not `float`. The next cell shows why: a float keeps the nearest number
# that it can, which is not always the one you wrote.

# %% tags=["deterministic"]
print("float:  ", 0.1 + 0.2)
print("Decimal:", Decimal("0.1") + Decimal("0.2"))

# %% [markdown]
# And a picture: how far each price moved from where it began, in percent.

# %%
import plotly.express as px

by_symbol = table.sort_values("event_time").groupby("symbol")["price"]
first_price = by_symbol.transform("first")
moved = table.assign(percent=(100 * (table["price"] / first_price - 1)).astype(float)).sort_values("event_time")
px.line(moved, x="event_time", y="percent", color="symbol", height=320)

# %% [markdown]
# ## How exercises answer you
#
# Each unit has exercises, in a notebook of their own. You write a small function, and `check` tries it on input that you have not
# seen. It answers with a card. Here is one. The `...` stands where your answer will stand; nothing has been written yet:

# %%
from lab_utils.teaching import check

check("00.1", ...)

# %% [markdown]
# There are six kinds of cards:
#
# | card | meaning | what to do |
# |---|---|---|
# | Passed | your function does the job | go on |
# | Not right yet | it ran, and gave something that breaks a rule; the card says what was seen | change it |
# | Your code raised an exception | it stopped; the card says with which input and in which line | change it |
# | Not attempted | the `...` is still there | write something |
# | Blocked | it builds on an earlier exercise, which has not passed | do that one first |
# | The environment | nothing is said about your answer: a server is away | run the command on the card |
#
# A card never shows the right answer. When you are stuck, `hint("00.2")` gives a hint, and when called again the next one.
# `reveal("00.2")` shows a solution once you have passed, or have tried three different answers; `reveal("00.2", give_up=True)` shows it
# at once. All of it is noted for you alone. `progress()` shows it:

# %%
from lab_utils.teaching import progress

progress()

# %% [markdown]
# ## What you have learnt
#
# - A **tick** travels from feed to dashboard through six stations, each a process of its own.
# - `lab doctor` checks the machine, `lab up` and `lab down` start and stop the servers, `lab status` says how they are.
# - Prices are decimals, and a tick has two times.
# - `check`, `hint`, `reveal`, `progress`.
#
# **Next:** the first exercises, in which you meet each kind of card. The cell below makes your own copy of them, in the folder `work`. Open it there: in the
# list of files at the left, `work`, then `00_welcome.ipynb`. What you write in it is yours; no update of the lab touches it.
#
# `lab("…")` runs the command `lab …`. In a terminal (File, New, Terminal) you type `lab exercise start 00`, or
# `.venv/bin/lab exercise start 00` when `lab` is not found there.

# %%
lab("exercise", "start", "00")
