# The exercises of unit 09, with their solutions. Build: lab build

# %% [markdown]
# # 09 Querying PostgreSQL: exercises
#
# Seven functions, from easy to hard. Each takes an `engine`, asks the database, and returns a table with the columns that the task
# names, in any order: a DataFrame, or a list of rows as SQLAlchemy gives them. Write each in the place of the `...`, run its cell and the
# cell with the check below it.
#
# The check tries your function on tables of its own, with rows that you have not seen: ties, gaps, missing sizes, midnight, no rows at
# all. It reads them in UTC and in another time zone. All in SQL, or partly in pandas: whatever gives the right table passes. When you
# are stuck, `hint("09.1")`.
#
# `engine` below reads the recorded hour of the lesson. Try your function on it first, in a cell of your own.

# %%
from lab_utils.teaching import check, hint, lab, progress, reveal
from lab_utils.teaching.schemas import recorded_market

lab("up")
engine = recorded_market("unit09")

# %% tags=["setup"]
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Engine, text


def ask(engine: Engine, query: str, **values: Any) -> pd.DataFrame:
    """The rows of a query; `values` are bound to its :names. Use it or not."""
    return pd.read_sql(text(query), engine, params=values)


# %% [markdown]
# `ask` is that of the lesson, with the engine as its first argument: `ask(engine, "SELECT … WHERE symbol = :symbol", symbol="BTC")`.
#
# The tables and views that you need, as in the lesson:
#
# | name | columns |
# |---|---|
# | `crypto_data` | `symbol`, `currency`, `price`, `size`, `event_time`, `kafka_partition`, `kafka_offset`, and more |
# | `ticks` | `asset_class` (`crypto` or `stock`), and the same seven |
# | `candles_1m` | `asset_class`, `symbol`, `currency`, `window_start`, `open`, `high`, `low`, `close`, `volume`, `tick_count` |

# %% [markdown]
# ## 09.1 The ticks of a time
#
# `ticks_between` returns the ticks of one symbol from `begin` up to, but without, `end`; the oldest first. Columns: `event_time`, `price`,
# `size`. What `symbol` is, somebody has typed into a web page.


# %%
### BEGIN SOLUTION 09.1
def ticks_between(engine: Engine, symbol: str, begin: datetime, end: datetime) -> pd.DataFrame:
    """The ticks of `symbol` in `ticks`; `begin` and `end` have a time zone."""
    query = """
        SELECT event_time, price, size
        FROM ticks
        WHERE symbol = :symbol
          AND event_time >= :begin
          AND event_time < :end
        ORDER BY event_time
    """
    return ask(engine, query, symbol=symbol, begin=begin, end=end)


### END SOLUTION
### BEGIN STUB
# def ticks_between(engine: Engine, symbol: str, begin: datetime, end: datetime) -> pd.DataFrame:
#     """The ticks of `symbol` in `ticks`; `begin` and `end` have a time zone."""
#     return ...
### END STUB

# %%
check("09.1", ticks_between)

# %% [markdown] tags=["solution"]
# A span of time belongs to `>=` and `<`. `BETWEEN` takes both ends, and a tick that falls on a boundary is then in two spans.

# %% [markdown]
# ## 09.2 The latest prices
#
# `latest_prices` returns the newest price of everything in `ticks`: one row for each `asset_class`, `symbol` and `currency`, with its
# `price` and `event_time`. Newest means the latest event time. When two ticks of a symbol have the same, the one that arrived later
# counts; a symbol is always in the same partition. There may be no candles yet.


# %%
### BEGIN SOLUTION 09.2
def latest_prices(engine: Engine) -> pd.DataFrame:
    """The newest tick of each asset class, symbol and currency."""
    query = """
        SELECT DISTINCT ON (asset_class, symbol, currency) asset_class, symbol, currency, price, event_time
        FROM ticks
        ORDER BY asset_class, symbol, currency, event_time DESC, kafka_offset DESC
    """
    return ask(engine, query)


### END SOLUTION
### BEGIN STUB
# def latest_prices(engine: Engine) -> pd.DataFrame:
#     """The newest tick of each asset class, symbol and currency."""
#     return ...
### END STUB

# %%
check("09.2", latest_prices)

# %% [markdown]
# ## 09.3 Candles of any width
#
# `candles` cuts the ticks of one coin in one currency into candles of `width`, from the table `crypto_data`. Columns: `start`, `open`,
# `high`, `low`, `close`, `volume` (the sum of the sizes, 0 when there are none) and `ticks` (how many). Bins are counted from
# 2000-01-01 00:00 UTC, whatever the time zone of the session. Of ticks at the same time, the one that arrived later is the later one. A bin
# without ticks has no candle.


# %%
### BEGIN SOLUTION 09.3
def candles(engine: Engine, symbol: str, currency: str, width: timedelta) -> pd.DataFrame:
    """The candles of a coin."""
    query = """
        SELECT date_bin(:width, event_time, '2000-01-01 00:00Z') AS start,
               (array_agg(price ORDER BY event_time, kafka_offset))[1] AS open,
               max(price) AS high,
               min(price) AS low,
               (array_agg(price ORDER BY event_time DESC, kafka_offset DESC))[1] AS close,
               coalesce(sum(size), 0) AS volume,
               count(*) AS ticks
        FROM crypto_data
        WHERE symbol = :symbol
          AND currency = :currency
        GROUP BY start
        ORDER BY start
    """
    return ask(engine, query, width=width, symbol=symbol, currency=currency)


### END SOLUTION
### BEGIN STUB
# def candles(engine: Engine, symbol: str, currency: str, width: timedelta) -> pd.DataFrame:
#     """The candles of a coin."""
#     return ...
### END STUB

# %%
check("09.3", candles)

# %% [markdown]
# ## 09.4 A moving average
#
# `moving_average` returns all of `candles_1m` with the average of the last `count` closing prices of the same asset class, symbol and
# currency, this candle's included. Columns: `asset_class`, `symbol`, `currency`, `window_start`, `close`, `average`. The first `count` - 1
# candles have no average (`NULL`): it would be one of fewer. Where minutes are missing, the last `count` candles there are count.


# %%
### BEGIN SOLUTION 09.4
def moving_average(engine: Engine, count: int) -> pd.DataFrame:
    """Each candle with the average of its last `count` closes."""
    query = """
        SELECT asset_class, symbol, currency, window_start, close,
               CASE WHEN count(*) OVER latest = :count THEN avg(close) OVER latest END AS average
        FROM candles_1m
        WINDOW latest AS (
            PARTITION BY asset_class, symbol, currency
            ORDER BY window_start
            ROWS BETWEEN :before PRECEDING AND CURRENT ROW
        )
    """
    return ask(engine, query, count=count, before=count - 1)


### END SOLUTION
### BEGIN STUB
# def moving_average(engine: Engine, count: int) -> pd.DataFrame:
#     """Each candle with the average of its last `count` closes."""
#     return ...
### END STUB

# %%
check("09.4", moving_average)

# %% [markdown]
# ## 09.5 The most traded coins
#
# `most_traded` ranks the coins in `crypto_data` by what was traded of them from `begin` up to, but without, `end`, in one currency. Columns:
# `symbol`; `turnover`, the sum of price times size; `vwap`, the price that was paid on average for one coin; and `rank`, 1 for the
# largest turnover. Equal turnovers share a rank and the next one is left out: 1, 2, 2, 4. A coin that had ticks but no trade is in the
# table too, with a turnover of 0 and without a `vwap`.


# %%
### BEGIN SOLUTION 09.5
def most_traded(engine: Engine, currency: str, begin: datetime, end: datetime) -> pd.DataFrame:
    """The coins by turnover."""
    query = """
        SELECT symbol,
               coalesce(sum(price * size), 0) AS turnover,
               sum(price * size) / nullif(sum(size), 0) AS vwap,
               rank() OVER (ORDER BY coalesce(sum(price * size), 0) DESC) AS rank
        FROM crypto_data
        WHERE currency = :currency
          AND event_time >= :begin
          AND event_time < :end
        GROUP BY symbol
        ORDER BY rank, symbol
    """
    return ask(engine, query, currency=currency, begin=begin, end=end)


### END SOLUTION
### BEGIN STUB
# def most_traded(engine: Engine, currency: str, begin: datetime, end: datetime) -> pd.DataFrame:
#     """The coins by turnover."""
#     return ...
### END STUB

# %%
check("09.5", most_traded)

# %% [markdown] tags=["solution"]
# A tick without a size takes part in neither sum, and so it does not pull the average price to 0. With the size taken as 0 in both sums
# it would be the same; with 1, or with `count(*)` below the line, it would not.
#
# `nullif(x, 0)` is `NULL` when `x` is 0, and a division by `NULL` gives `NULL` instead of an error.

# %% [markdown]
# ## 09.6 Gaps
#
# `gaps` finds where ticks are missing: each time that passed between a tick in `ticks` and the next one of the same asset class, symbol and
# currency, when it is longer than `longest`. Columns: `asset_class`, `symbol`, `currency`, `last_tick` and `next_tick` (the times of
# the two), and `seconds` between them, with their fraction.


# %%
### BEGIN SOLUTION 09.6
def gaps(engine: Engine, longest: timedelta) -> pd.DataFrame:
    """The gaps that are longer than `longest`."""
    query = """
        WITH pairs AS (
            SELECT asset_class, symbol, currency,
                   lag(event_time) OVER (PARTITION BY asset_class, symbol, currency ORDER BY event_time) AS last_tick,
                   event_time AS next_tick
            FROM ticks
        )
        SELECT *, extract(epoch FROM next_tick - last_tick) AS seconds
        FROM pairs
        WHERE next_tick - last_tick > :longest
        ORDER BY seconds DESC
    """
    return ask(engine, query, longest=longest)


### END SOLUTION
### BEGIN STUB
# def gaps(engine: Engine, longest: timedelta) -> pd.DataFrame:
#     """The gaps that are longer than `longest`."""
#     return ...
### END STUB

# %%
check("09.6", gaps)

# %% [markdown]
# ## 09.7 Does the share follow the coin?
#
# `correlation` says how closely the one-minute changes of a coin and of a share go together. A change is the close of a minute divided by
# the close of the minute before, less 1. It takes two candles of `candles_1m` that are one minute apart: a change across a gap is none. Only
# minutes in which both have a change count, in US dollars. The table has one row with two columns: `minutes`, how many such minutes there
# are, and `correlation`, which is `NULL` (or `NaN`) when it cannot be said.


# %%
### BEGIN SOLUTION 09.7
def correlation(engine: Engine, coin: str, share: str) -> pd.DataFrame:
    """The correlation of the changes of `coin` and `share`."""
    query = """
        WITH steps AS (
            SELECT asset_class, symbol, window_start,
                   window_start - lag(window_start) OVER earlier AS step,
                   close / lag(close) OVER earlier - 1 AS change
            FROM candles_1m
            WHERE currency = 'USD'
            WINDOW earlier AS (PARTITION BY asset_class, symbol ORDER BY window_start)
        ), changes AS (
            SELECT asset_class, symbol, window_start, change
            FROM steps
            WHERE step = interval '1 minute'
        )
        SELECT count(*) AS minutes, corr(coins.change, shares.change) AS correlation
        FROM changes AS coins
        JOIN changes AS shares ON shares.window_start = coins.window_start
        WHERE coins.asset_class = 'crypto'
          AND coins.symbol = :coin
          AND shares.asset_class = 'stock'
          AND shares.symbol = :share
    """
    return ask(engine, query, coin=coin, share=share)


### END SOLUTION
### BEGIN STUB
# def correlation(engine: Engine, coin: str, share: str) -> pd.DataFrame:
#     """The correlation of the changes of `coin` and `share`."""
#     return ...
### END STUB

# %%
check("09.7", correlation)

# %% [markdown]
# ## How far am I?

# %%
progress()
