# The exercises of unit 00, with their solutions. Build: lab build

# %% [markdown]
# # 00 Welcome: exercises
#
# Five small ones, so that you have seen each kind of card once. For each there is a cell for your answer, and below it one with the
# check. Write the answer in the place of the `...`, run that cell (Shift+Enter), then the one with the check.
#
# Run the two cells below first, once. They start the servers and fetch what the answers need.

# %%
from lab_utils.teaching import check, hint, lab, progress, reveal

lab("up")

# %% tags=["setup"]
from decimal import Decimal

from kafka import KafkaProducer

from lab_utils.teaching.probes import Broker

# %% [markdown]
# ## 00.1 Look it up
#
# How many partitions has the topic `crypto_topic`? The cell below asks Kafka. It shows an entry for each partition: its number, and the offset
# that its next record will get.
#
# Before you write your answer, run the cell with the `...` as it is, and the check: this is what *not attempted* looks like. Then write the
# number, and run both again.

# %%
Broker().end_offsets("crypto_topic")  # partition: the offset of its next record

# %%
### BEGIN SOLUTION 00.1
partitions = 4
### END SOLUTION
### BEGIN STUB
# partitions = ...
### END STUB

# %%
check("00.1", partitions)

# %% [markdown]
# ## 00.2 The price between
#
# Buyers offer one price, the *bid*; sellers ask another, the *ask*. `mid_price` gives the price exactly between the two,
# as a `Decimal`.
#
# First let it `return bid` and run the check: this is what *not right yet* looks like. It shows what your function gave, not what is right.
# Then write the real one.


# %%
### BEGIN SOLUTION 00.2
def mid_price(bid: Decimal, ask: Decimal) -> Decimal:
    """The price in the middle."""
    return (bid + ask) / 2


### END SOLUTION
### BEGIN STUB
# def mid_price(bid: Decimal, ask: Decimal) -> Decimal:
#     """The price in the middle."""
#     return ...
### END STUB

# %%
check("00.2", mid_price)

# %% [markdown]
# ## 00.3 Text to price
#
# A feed sends prices as text with the currency behind them, as in `"73843.24 USD"`. `to_price` gives the price as a `Decimal`, with
# every digit of the text.
#
# First let it `return Decimal(text)` and run the check: this is what an *exception* looks like. The card shows the input and the line.
#
# Before you mend it, look ahead to 00.4, which builds on this one: let that one `return now`, and run it and its check. The card says *blocked*.
# Then come back, and write the real one here.


# %%
### BEGIN SOLUTION 00.3
def to_price(text: str) -> Decimal:
    """The number in a text such as "73843.24 USD"."""
    return Decimal(text.split()[0])


### END SOLUTION
### BEGIN STUB
# def to_price(text: str) -> Decimal:
#     """The number in a text such as "73843.24 USD"."""
#     return ...
### END STUB

# %%
check("00.3", to_price)

# %% [markdown]
# ## 00.4 How far it moved
#
# `percent_moved` says by how many percent a price has moved: from 200 to 201 it is 0.5, from 200 to 199 it is -0.5.
#
# This one builds on 00.3: as long as that one does not pass, nothing is said about any answer here. Now that it does, write the real one.


# %%
### BEGIN SOLUTION 00.4
def percent_moved(before: Decimal, now: Decimal) -> Decimal:
    """The change from `before` to `now`, in percent of `before`."""
    return 100 * (now - before) / before


### END SOLUTION
### BEGIN STUB
# def percent_moved(before: Decimal, now: Decimal) -> Decimal:
#     """The change from `before` to `now`, in percent of `before`."""
#     return ...
### END STUB

# %%
check("00.4", percent_moved)

# %% [markdown]
# ## 00.5 Say hello to Kafka
#
# `say_hello` sends one record with the value `hello` to the topic it is given, and returns when Kafka has it. The value of a record is bytes:
# `b"hello"`. `producer.send(topic, value=...)` puts a record into a buffer, a place in memory where it waits to be sent with others.
# `producer.flush()` sends what is in the buffer, and returns when Kafka has all of it.
#
# When it passes, add a cell (the button + above the notebook), run `lab("down")` in it, and check again. The card now says *the environment*, and
# which command mends it: your answer is as good as before. The command is `lab up`; in a notebook you write it `lab("up")`. Run that, and check
# once more.


# %%
### BEGIN SOLUTION 00.5
def say_hello(producer: KafkaProducer, topic: str) -> None:
    """Send one record, and wait until Kafka has it."""
    producer.send(topic, value=b"hello")
    producer.flush()


### END SOLUTION
### BEGIN STUB
# def say_hello(producer: KafkaProducer, topic: str) -> None:
#     """Send one record, and wait until Kafka has it."""
#     ...
### END STUB

# %%
check("00.5", say_hello)

# %% [markdown]
# ## How far am I?

# %%
progress()
