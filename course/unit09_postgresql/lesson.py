# The lesson of unit 09. Build: lab build

# %% [markdown]
# # 09 Querying PostgreSQL
#
# **Goal.** You turn stored ticks into answers: the latest price, candles of any width, averages, rankings, gaps, and whether a share
# follows a coin. You know how to ask fast, in the right time zone, and so that nobody can misuse your question.
#
# About 45 minutes. You need Python, a little pandas, and `SELECT … FROM … WHERE …`; everything beyond that is explained. Nothing here can
# break the lab: the lesson has a corner of the database to itself. `lab reset 09` in a terminal removes it, and puts a fresh copy of the
# exercises into `work/` (yours is kept beside it).

# %% [markdown]
# ## Where we are
#
# The ticks have come all the way: Spark, or the plain consumer, has written them to PostgreSQL. This unit is about what happens there.

# %%
from lab_utils.teaching import clean_slate, lab

lab("up")
folder = clean_slate("09")
# %%
from lab_utils.teaching.pictures import pipeline_map

pipeline_map(here="postgres")

# %% [markdown]
# To see the same numbers as everybody else, we do not ask the lab's own tables, whose rows depend on what you have run so far. A **schema**
# is a folder for tables within a database. The next cell makes one named `unit09`, with the lab's tables and views, all
# of the same names, and stores the recorded hour of `data_samples` in it: ten symbols, simulated prices. What you write here you can send to the live tables unchanged.

# %%
from lab_utils.teaching.schemas import recorded_market

engine = recorded_market("unit09")

# %% [markdown]
# ## 1. Ask
#
# An **engine** of SQLAlchemy knows where the database is and keeps connections to it. `pandas.read_sql` sends a query through it and makes a
# DataFrame of the rows.

# %% tags=["deterministic"]
import pandas as pd
from sqlalchemy import text

query = text("""
    SELECT symbol, price, size, event_time
    FROM ticks
    WHERE symbol = :symbol
    ORDER BY event_time
    LIMIT 3
""")
pd.read_sql(query, engine, params={"symbol": "BTC"})

# %% [markdown]
# `:symbol` is a **bound parameter**: a place for a value. The value itself goes beside the query, never into its text. Section 11 shows
# what happens to those who write it into the text.
#
# `ticks` shows the ticks of coins and shares together. It has no rows of its own: it is a **view**, a query with a name. The rows are in
# two tables, `crypto_data` and `stock_data`. Besides there is `candles_1m`, which the pipeline keeps up to date.
#
# We shall ask a lot, so here is a short way to do it:


# %%
from typing import Any


def ask(query: str, **values: Any) -> pd.DataFrame:
    """The rows of a query; `values` are bound to its :names."""
    return pd.read_sql(text(query), engine, params=values)


# %% tags=["deterministic"]
ask("""
    SELECT asset_class, count(*) AS ticks, count(size) AS with_a_size, min(event_time) AS first, max(event_time) AS last
    FROM ticks
    GROUP BY asset_class
    ORDER BY asset_class
""")

# %% [markdown]
# `GROUP BY` makes one row of all rows that agree, and `AS` gives a column its name. `count(*)` counts rows, `count(size)` only those whose `size` is not `NULL`. **`NULL`
# means "not known"**: a price update without a trade has no size. Keep it in mind, it comes back in section 6.

# %% [markdown]
# ## 2. What comes back
#
# In the database a price is `numeric(38,18)`: an exact decimal number. What is it in pandas?

# %% tags=["deterministic"]
numbers = """
    SELECT 1234.567890123456789012 AS amount, 0.1 AS a, 0.2 AS b, 0.3 AS c, 0.1 + 0.2 = 0.3 AS same_in_sql
"""
floats = ask(numbers)
exact = pd.read_sql(text(numbers), engine, coerce_float=False)

print(type(floats["amount"][0]).__name__, "  ", float(floats["amount"][0]))
print(type(exact["amount"][0]).__name__, "  ", exact["amount"][0])
print("a + b = c in SQL:    ", bool(exact["same_in_sql"][0]))
print("a + b == c in floats:", bool(floats["a"][0] + floats["b"][0] == floats["c"][0]))

# %% [markdown]
# `read_sql` makes floats of exact numbers unless you say `coerce_float=False`. For a picture a float is fine. For money it is not: it has lost digits, and
# sums that should be equal are not. So calculate **in the database**, where these numbers are exact, and bring the result.
# There is a second reason: the rows need not travel.
#
# The times come as UTC, with their time zone. Section 4 says why that is not a matter of course.

# %% [markdown]
# ## 3. The latest price
#
# A first try. `max(event_time)` finds the newest time, but which price belongs to it? PostgreSQL refuses to guess:

# %% tags=["deterministic"]
from sqlalchemy.exc import ProgrammingError

try:
    ask("SELECT symbol, price, max(event_time) FROM ticks GROUP BY symbol")
except ProgrammingError as error:
    print(error.orig)

# %% [markdown]
# `DISTINCT ON (a)` keeps the first row of each `a`, in the order that `ORDER BY` says. What stands in the parentheses must come first
# there; behind it stands which row is to be the first:

# %% tags=["deterministic"]
ask("""
    SELECT DISTINCT ON (asset_class, symbol, currency) asset_class, symbol, currency, price, event_time
    FROM ticks
    ORDER BY asset_class, symbol, currency, event_time DESC
""")

# %% [markdown]
# Not quite done. What if two ticks of a symbol have the same time? Then this `ORDER BY` leaves it open which comes first, and the answer may change
# from one call to the next. Does it happen?

# %% tags=["deterministic"]
ask("""
    SELECT count(*) AS ties
    FROM ticks AS one
    JOIN ticks AS other
      ON other.asset_class = one.asset_class
     AND other.symbol = one.symbol
     AND other.event_time = one.event_time
     AND other.kafka_offset > one.kafka_offset
""")

# %% [markdown]
# A **join** puts rows of two tables side by side wherever the condition holds; here both are the same table. In this hour there is no such tie: each symbol
# ticks about once a second, and the times are in milliseconds. On a live market there are many. A query that is right only for the rows that
# happen to be there is a wrong query.
#
# An order needs a **tie-break**. Ours is where the record lies in Kafka: `kafka_offset` grows with each arrival, and a symbol is always in one
# partition. So it is `ORDER BY asset_class, symbol, currency, event_time DESC, kafka_offset DESC`: of two ticks at the same time, the one that arrived later.
#
# Next, the change: how far is the latest price from the one ten minutes before it? For each symbol we need *the newest tick that is at least ten minutes older*. This is
# what `LATERAL` is for: a subquery that is run once for each row on its left, and may use that row.

# %% tags=["deterministic"]
from datetime import timedelta

ask(
    """
    SELECT latest.symbol, latest.price, before.price AS price_before, latest.event_time - before.event_time AS apart,
           round(100 * (latest.price / before.price - 1), 3) AS change_percent
    FROM latest_prices AS latest
    LEFT JOIN LATERAL (
        SELECT price, event_time
        FROM ticks
        WHERE ticks.asset_class = latest.asset_class
          AND ticks.symbol = latest.symbol
          AND ticks.currency = latest.currency
          AND ticks.event_time <= latest.event_time - :ago
        ORDER BY event_time DESC, kafka_offset DESC
        LIMIT 1
    ) AS before ON true
    ORDER BY change_percent DESC
    """,
    ago=timedelta(minutes=10),
)

# %% [markdown]
# - `latest_prices` is a view of the lab. It does what we did above.
# - A `timedelta` is bound as an `interval`. `apart` is a little more than ten minutes: there is no tick at exactly that moment.
# - `LEFT JOIN` keeps a symbol for which the subquery finds nothing, with `NULL` in its columns. A plain `JOIN` would drop it.
#
# Run it with `ago` of two hours: the recording is one hour long, and every change is `NULL`. Not known is not zero.

# %% [markdown]
# ## 4. Candles, and the trap of this unit
#
# A candle says of a span of time: the first price (`open`), the highest, the lowest, the last (`close`). `candles_1m` has one for each minute.
# For another width, cut the ticks into bins. `date_bin(width, time, origin)` gives the start of the bin in which a time lies, counted from the origin.

# %% tags=["deterministic"]
CANDLES = """
    SELECT date_bin(:width, event_time, '2000-01-01 00:00Z') AS start,
           (array_agg(price ORDER BY event_time, kafka_offset))[1] AS open,
           max(price) AS high,
           min(price) AS low,
           (array_agg(price ORDER BY event_time DESC, kafka_offset DESC))[1] AS close,
           count(*) AS ticks
    FROM crypto_data
    WHERE symbol = :symbol AND currency = 'USD'
    GROUP BY start
    ORDER BY start
"""
candles = ask(CANDLES, width=timedelta(minutes=5), symbol="SOL")
candles.head(4)

# %% [markdown]
# `array_agg(price ORDER BY …)` collects the prices of a bin in an order, and `[1]` takes the first of them. Without the `ORDER BY` in it, "first" is
# whatever row the server happened to read first.
#
# A picture:

# %%
import plotly.graph_objects as go

LOOK = {
    "height": 360,
    "margin": {"l": 10, "r": 10, "t": 50, "b": 40},
    "paper_bgcolor": "rgba(0,0,0,0)",  # see-through, for light and dark notebooks
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": "#8a8f98"},
}
GRID = {"gridcolor": "rgba(138,143,152,0.25)", "zeroline": False}

figure = go.Figure(
    go.Candlestick(x=candles.start, open=candles.open, high=candles.high, low=candles.low, close=candles.close)
)
figure.update_layout(**LOOK, title="SOL in candles of five minutes", xaxis_rangeslider_visible=False)
figure.update_xaxes(title="time (UTC)", **GRID)
figure.update_yaxes(title="USD", **GRID)
figure

# %% [markdown]
# **The trap.** The `Z` in the origin is no decoration. Somebody in Kolkata opens the same database, whose session is set to the time there:
# five and a half hours ahead of UTC. Both of us ask for candles of an hour, and count the ticks in each. There are two ways to write it:

# %% tags=["deterministic"]
kolkata = recorded_market("unit09", timezone="Asia/Kolkata")

HOURS = {  # parts of queries, written by us: no value from outside gets into them
    "date_trunc": "SELECT date_trunc('hour', event_time) AS start, count(*) AS ticks",
    "date_bin with Z": "SELECT date_bin('1 hour', event_time, '2000-01-01 00:00Z') AS start, count(*) AS ticks",
}
for name, select in HOURS.items():
    for place, session in (("UTC", engine), ("Kolkata", kolkata)):
        hours = pd.read_sql(text(f"{select} FROM crypto_data GROUP BY start ORDER BY start"), session)
        print(f"{name:16} {place:8}", {f"{row.start:%H:%M}": row.ticks for row in hours.itertuples()})

# %% [markdown]
# (The starts are printed in UTC.) `date_trunc` cuts at full hours **of the session's time zone**, and those are half hours of UTC. The same
# query, the same rows, another result, and no error. With days it is worse: the day of Kolkata begins at 18:30 UTC, so that a "daily volume" holds the
# evening of the day before.
#
# A column of the type `timestamptz` does not hold a time zone. It holds a moment; the time zone of the session only decides how it is read and
# written as text, and what "hour", "day" and a text without a zone mean. So say it wherever it matters:
#
# - `date_bin(…, '2000-01-01 00:00Z')`, or `date_trunc('day', event_time, 'UTC')` with its third argument,
# - `'2026-11-02 15:00Z'`, never `'2026-11-02 15:00'`,
# - from Python a `datetime` with a time zone.
#
# The lab's sessions are in UTC. Other programs choose for themselves.
#
# Its little brother is `BETWEEN`, which takes both ends:

# %% tags=["deterministic"]
for condition in ("window_start BETWEEN :begin AND :end", "window_start >= :begin AND window_start < :end"):
    counted = f"SELECT count(*) AS candles FROM candles_1m WHERE symbol = 'BTC' AND {condition}"
    first = ask(counted, begin="2026-11-02 14:58Z", end="2026-11-02 14:59Z")
    second = ask(counted, begin="2026-11-02 14:59Z", end="2026-11-02 15:00Z")
    print(f"{condition:50}", int(first["candles"][0]), "and", int(second["candles"][0]), "candles in a minute each")

# %% [markdown]
# With `BETWEEN` the candle of 14:59 is in both spans. For days it is midnight that is counted twice. A span of time is `>=` its begin and `<` its end.

# %% [markdown]
# ## 5. Window functions
#
# `GROUP BY` makes one row of many. A **window function** leaves all rows as they are, and lets each look at its neighbours:
#
# `avg(close) OVER (PARTITION BY symbol ORDER BY window_start ROWS BETWEEN 4 PRECEDING AND CURRENT ROW)`
#
# - `PARTITION BY`: who is a neighbour at all; the prices of other symbols are not.
# - `ORDER BY`: in which order they stand.
# - `ROWS BETWEEN …`: how far to look; here four rows back and this one. That is a **moving average** of five.
#
# Two columns that use the same window need not write it twice: `WINDOW` gives it a name.

# %% tags=["deterministic"]
averages = ask("""
    SELECT window_start, close,
           avg(close) OVER (earlier ROWS BETWEEN 4 PRECEDING AND CURRENT ROW) AS average_5,
           avg(close) OVER (earlier ROWS BETWEEN 14 PRECEDING AND CURRENT ROW) AS average_15,
           count(*) OVER (earlier ROWS BETWEEN 14 PRECEDING AND CURRENT ROW) AS candles_in_it
    FROM candles_1m
    WHERE symbol = 'BTC' AND currency = 'USD' AND asset_class = 'crypto'
    WINDOW earlier AS (PARTITION BY asset_class, symbol, currency ORDER BY window_start)
    ORDER BY window_start
""")
averages.head(3)

# %%
figure = go.Figure()
for column, colour in (("close", "#8a8f98"), ("average_5", "#3b82c4"), ("average_15", "#e0803a")):
    figure.add_scatter(x=averages.window_start, y=averages[column], name=column, line_color=colour)
figure.update_layout(**LOOK, title="BTC: the close of each minute, and its moving averages")
figure.update_xaxes(title="time (UTC)", **GRID)
figure.update_yaxes(title="USD", **GRID)
figure

# %% [markdown]
# The longer the average, the calmer, and the later it notices a turn. Look at the left end: the first point of `average_15` is the average of
# a single candle, as `candles_in_it` says. Who wants a true one leaves the others out:
# `CASE WHEN count(*) OVER … = 15 THEN avg(close) OVER … END` is `NULL` where the condition does not hold.
#
# `lag(close) OVER (… ORDER BY window_start)` is the value in the row before. With it each minute gets its change in percent, and the spread of the changes of
# a symbol (their standard deviation, `stddev_samp`) is what traders call its **volatility**. A window function may not stand within a `sum` or behind `WHERE`, for it is computed after
# both. So it is computed in a query of its own, to which `WITH` gives a name. There may be several, `WITH a AS (…), b AS (…)`, and each may ask those before it.

# %% tags=["deterministic"]
ask("""
    WITH changes AS (
        SELECT asset_class, symbol,
               100 * (close / lag(close) OVER (PARTITION BY asset_class, symbol, currency ORDER BY window_start) - 1) AS change
        FROM candles_1m
    )
    SELECT asset_class, symbol,
           round(stddev_samp(change), 4) AS volatility,
           rank() OVER (PARTITION BY asset_class ORDER BY stddev_samp(change) DESC) AS rank
    FROM changes
    GROUP BY asset_class, symbol
    ORDER BY asset_class, rank
""")

# %% [markdown]
# `rank()` numbers the rows of a partition: 1 for the first. (Without `PARTITION BY` all rows are one partition.) Rows that are equal in the `ORDER BY` share their rank, and the next is left out (1, 2, 2, 4).
# `row_number()` would give them different numbers, by chance. `rank()` stands beside `GROUP BY` here: first the groups are made, then the windows look at them.

# %% [markdown]
# ## 6. Volume, VWAP, and what is not known
#
# What did a coin cost on average? `avg(price)` counts a trade of a thousandth as much as one of a thousand. The **volume-weighted average
# price** does not: all the money that was paid, by all that was bought for it.

# %% tags=["deterministic"]
ask("""
    SELECT symbol,
           count(*) AS ticks,
           count(size) AS with_a_size,
           round(sum(size)) AS volume,
           sum(price * size) / sum(size) AS vwap,
           avg(price) AS average,
           sum(price * coalesce(size, 1)) / sum(coalesce(size, 1)) AS wrong
    FROM crypto_data
    GROUP BY symbol
    ORDER BY symbol
""")

# %% [markdown]
# A calculation with `NULL` gives `NULL`, and `sum` passes over it. So the ticks without a size take part in neither sum: right, nothing was traded. The last column fills them up with 1
# (`coalesce` takes the first value that is not `NULL`). Where the usual size is a fraction, as with BTC, one such tick outweighs many trades.
#
# And when there is no size at all, or only zeros? (`VALUES` makes a little table on the spot.)

# %% tags=["deterministic"]
ask("""
    SELECT sum(size) AS volume,
           coalesce(sum(size), 0) AS volume_or_zero,
           sum(price * size) / nullif(sum(size), 0) AS vwap
    FROM (VALUES (100.0, NULL), (101.0, 0.0)) AS quiet(price, size)
    WHERE size IS NULL
""")

# %% [markdown]
# The `sum` of nothing is `NULL`, not 0. Take away the `WHERE` and the sum is 0, and dividing by it would be an error; `nullif(x, 0)` makes `NULL` of 0, and dividing by `NULL` is
# allowed. What comes out is what we know of the price: nothing.
#
# `WHERE size = NULL` never finds a row, by the way: whether two unknown values are equal is not known either. It is `IS NULL`.

# %% [markdown]
# ## 7. Gaps
#
# Is a line flat because nothing happened, or because nothing arrived? Look how long it took from each tick to the next one.

# %% tags=["deterministic"]
ask(
    """
    WITH pairs AS (
        SELECT symbol, event_time,
               lead(event_time) OVER (PARTITION BY asset_class, symbol, currency ORDER BY event_time) AS next_time
        FROM ticks
    )
    SELECT symbol, event_time, next_time, extract(epoch FROM next_time - event_time) AS seconds
    FROM pairs
    WHERE next_time - event_time > :longest
    ORDER BY seconds DESC
    LIMIT 6
    """,
    longest=timedelta(seconds=10),
)

# %% [markdown]
# `lead` is `lag` in the other direction. The last tick of each symbol has no next one: its `next_time` is `NULL`, the comparison is neither true nor false, and `WHERE` keeps only what is
# true. `extract(epoch FROM …)` makes seconds of an interval.
#
# The times say it: all of them lie in one quiet minute, of which the README of `data_samples` speaks.

# %% [markdown]
# ## 8. Does the share follow the coin?
#
# **Correlation** is 1 when two series always move together, -1 when always against each other, 0 when one says nothing about the other.
# `corr(x, y)` computes it. But of what? Compare the prices of all ten symbols, and then their changes from one minute to the next:

# %%
closes = ask("""
    SELECT symbol, window_start, close,
           close / lag(close) OVER (PARTITION BY asset_class, symbol, currency ORDER BY window_start) - 1 AS change
    FROM candles_1m
    ORDER BY asset_class, symbol, window_start
""")
ORDER = list(closes["symbol"].drop_duplicates())

for column in ("close", "change"):
    table = closes.pivot(index="window_start", columns="symbol", values=column)[ORDER].corr()
    heat = go.Heatmap(
        z=table, x=ORDER, y=ORDER, zmin=-1, zmax=1, colorscale="RdBu", texttemplate="%{z:.1f}", xgap=1, ygap=1
    )
    figure = go.Figure(heat)
    figure.update_layout(**LOOK, title=f"Correlation of the {column}s: five coins, then five shares")
    figure.update_yaxes(autorange="reversed")
    figure.show()

# %% [markdown]
# The first picture is full of strong colours, also between a coin and a share, and they mean nothing: two prices that drift for an hour
# go either the same way or opposite ways, whatever they have to do with each other. The second picture tells what the simulation does: coins
# move partly together, and so do shares; a coin says next to nothing about a share.
#
# **Correlate changes, never prices.** And mind what a change is: when a minute is missing, `lag` reaches over the gap, and the change is one of two minutes.
# So bring `window_start - lag(window_start) OVER …` along, and keep the changes for which it is `interval '1 minute'`.
#
# The same for one pair in SQL. `JOIN` brings together the changes of the same minute:

# %% tags=["deterministic"]
ask(
    """
    WITH changes AS (
        SELECT asset_class, symbol, window_start,
               close / lag(close) OVER (PARTITION BY asset_class, symbol, currency ORDER BY window_start) - 1 AS change
        FROM candles_1m
    )
    SELECT count(*) AS minutes, count(one.change) AS changes, corr(one.change, other.change) AS correlation
    FROM changes AS one
    JOIN changes AS other ON other.window_start = one.window_start
    WHERE one.symbol = :one AND other.symbol = :other
    """,
    one="BTC",
    other="ETH",
)

# %% [markdown]
# `minutes` is one more than `changes`: the first candle of a symbol has none before it, and its change is `NULL`. `corr` passes over it, `count(*)` does not.
# Where a coin and a share may have the same name, the condition names the asset class as well.

# %% [markdown]
# ## 9. A table that is large enough to feel
#
# An hour of ten symbols is nothing. Make a table of a million ticks: 500 symbols, a tick a second. It takes a few
# seconds. (`generate_series` counts, `%` is the remainder, `||` joins texts.) We need an engine of a role that may create tables; more about roles in section 12.

# %%
owner = recorded_market("unit09", role="lab_owner")

with owner.begin() as connection:  # a transaction, committed at its end
    connection.execute(
        text("""
            DROP TABLE IF EXISTS many_ticks;
            CREATE TABLE many_ticks AS
            SELECT 'S' || number % 500 AS symbol,
                   100 + number % 997 / 10.0 AS price,
                   timestamptz '2026-01-01 00:00Z' + number * interval '1 second' AS event_time
            FROM generate_series(1, 1000000) AS number;
            ANALYZE many_ticks
        """)
    )
ask("SELECT count(*) AS ticks, min(event_time), max(event_time) FROM many_ticks")

# %% [markdown]
# (`ANALYZE` counts what is in the table, so that the server can plan with it. Normally it does so by itself, a little later.)
#
# The ticks of one symbol within six hours. `EXPLAIN` shows how the server goes about it; with `ANALYZE` it really does it and says
# how long it took, with `BUFFERS` also how many pages of 8 kB it looked at.

# %%
SIX_HOURS = """
    SELECT count(*), avg(price) FROM many_ticks
    WHERE symbol = 'S7' AND event_time >= '2026-01-05 06:00Z' AND event_time < '2026-01-05 12:00Z'
"""


def explain(query: str) -> None:
    """Print the plan of a query, after it was carried out."""
    with engine.connect() as connection:
        for (line,) in connection.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {query}")):
            print(line)


explain(SIX_HOURS)

# %% [markdown]
# Read it from the inside out; each `->` hands its rows to the line it is indented under.
#
# - `Seq Scan`: it reads the whole table, row by row. With `Parallel`, several processes share the work; rows and times are averages of the `loops`, one
#   a process, and `Buffers` are the sum.
# - `Rows Removed by Filter`: what it read in vain. Nearly everything.
# - `Buffers`: pages; `hit` were in memory, `read` had to be fetched.
# - `Execution Time` at the end.
#
# An **index** is a sorted list of some columns that tells where their rows are. As in a telephone book, the order of the columns counts: by symbol, and within a symbol by time.

# %%
with owner.begin() as connection:
    connection.execute(text("CREATE INDEX IF NOT EXISTS many_ticks_by_symbol ON many_ticks (symbol, event_time)"))

explain(SIX_HOURS)

# %% [markdown]
# `Index Cond` says what was looked up in the index; the `Bitmap Heap Scan` above it fetches those rows from the table.
# (Where you see a plain `Index Scan`, it does both.) Compare the pages and the times
# with those before.
#
# An index of a column is only used for the column as it is. Wrap it into a function, and the server must compute that for each row first:

# %%
explain("""
    SELECT count(*) FROM many_ticks
    WHERE symbol = 'S7' AND date_trunc('day', event_time, 'UTC') = '2026-01-05 00:00Z'
""")

# %% [markdown]
# Now only the symbol is in the `Index Cond`, and the time has become a `Filter` that removes most rows. Write a day as `>=` and `<`, and it is
# back in the index. So the rule for spans is also the fast one.
#
# The latest price of each of the 500 symbols, in the two ways of section 3:

# %%
explain("SELECT DISTINCT ON (symbol) symbol, price FROM many_ticks ORDER BY symbol, event_time DESC")

# %%
explain("""
    SELECT known.symbol, newest.price
    FROM (SELECT 'S' || number AS symbol FROM generate_series(0, 499) AS number) AS known
    CROSS JOIN LATERAL (
        SELECT price FROM many_ticks WHERE many_ticks.symbol = known.symbol ORDER BY event_time DESC LIMIT 1
    ) AS newest
""")

# %% [markdown]
# `DISTINCT ON` looks at a million rows to keep 500. `LATERAL` with the index goes to the end of each symbol and takes one row: `loops=500`. This is why the lab's
# view `latest_prices` is written with `LATERAL`. It takes its list of known symbols from the candles, of which there are far fewer than ticks.
#
# An index is not free: it takes space, and each new row must be entered into it.

# %%
ask("""
    SELECT pg_size_pretty(pg_table_size('many_ticks')) AS the_table, pg_size_pretty(pg_indexes_size('many_ticks')) AS the_index
""")

# %% [markdown]
# ## 10. Rows without pandas
#
# pandas is for looking and for pictures. A program that needs a few rows takes them from SQLAlchemy: exact numbers, no DataFrame.

# %% tags=["deterministic"]
with engine.connect() as connection:
    result = connection.execute(
        text("SELECT symbol, price FROM latest_prices WHERE asset_class = :kind ORDER BY symbol"), {"kind": "stock"}
    )
    rows = result.all()
for row in rows:
    print(row.symbol, row.price)

# %% [markdown]
# `all()` is a list of rows whose columns have names. Take them inside the `with`: at its end the connection goes back to the engine.

# %% [markdown]
# ## 11. How not to ask
#
# A web page has a field for a symbol. Somebody builds the query as one builds texts in Python:

# %% tags=["deterministic"]
from sqlalchemy import Engine

with owner.begin() as connection:
    connection.execute(text("DROP TABLE IF EXISTS precious; CREATE TABLE precious AS SELECT * FROM latest_prices"))


def price_of(typed: str, engine: Engine) -> pd.DataFrame:
    """Never write it like this."""
    return pd.read_sql(f"SELECT symbol, price FROM precious WHERE symbol = '{typed}'", engine)


print(len(price_of("BTC", owner)), "row")
print(len(price_of("BTC' OR 'a' = 'a", owner)), "rows")

# %% [markdown]
# The quote in the typed text ended the text in the query, and the rest became part of the query. Worse can be typed:

# %% tags=["deterministic"]
typed = "BTC'; DELETE FROM precious; COMMIT; SELECT 'sorry' AS symbol, 0 AS price WHERE 'a' = 'a"
print(price_of(typed, owner).to_dict("records"))
print("left in the table:", ask("SELECT count(*) AS rows FROM precious")["rows"][0])

# %% [markdown]
# This is **SQL injection**, for decades among the commonest ways into a database. Do not look for "bad" characters; do not add quotes. Never put a value into the
# text of a query. Bound, it stays a value, whatever is in it:

# %% tags=["deterministic"]
print(len(ask("SELECT symbol, price FROM latest_prices WHERE symbol = :typed", typed=typed)), "rows")
print(len(ask("SELECT symbol, price FROM latest_prices WHERE symbol = :typed", typed="BTC")), "row")

# %% [markdown]
# Only values can be bound. The name of a table or a column cannot: when somebody may choose one, look the choice up in a list of your own, and
# put your own text into the query.

# %% [markdown]
# ## 12. Roles
#
# The second line of defence: who asks may do no more than is needed. The lab has three roles. This is what they may do with the real
# table `crypto_data`:

# %% tags=["deterministic"]
ask("""
    SELECT role,
           has_table_privilege(role, 'public.crypto_data', 'SELECT') AS may_read,
           has_table_privilege(role, 'public.crypto_data', 'INSERT') AS may_add,
           has_table_privilege(role, 'public.crypto_data', 'DELETE') AS may_delete,
           has_schema_privilege(role, 'public', 'CREATE') AS may_create_tables
    FROM (VALUES ('lab_owner'), ('lab_writer'), ('lab_reader')) AS roles(role)
""")

# %% [markdown]
# The pipeline writes as `lab_writer`; it cannot delete a tick even if it has a bug. Our questions went out as `lab_reader`, except where the engine was `owner`. Try the attack once more, as the reader:

# %% tags=["deterministic"]
try:
    price_of(typed, engine)
except ProgrammingError as error:
    print(error.orig)

# %% [markdown]
# Dashboards get the reader's password and no other. They run on many desks, their files are passed around with the password in them or beside them, and they
# send queries that a program has put together. What the role may not do, no mistake and no attack on a dashboard can do. It is the missing right that protects;
# a setting such as "read only by default" can be switched off by whoever is connected.

# %% [markdown]
# ## 13. Views: what a dashboard sees
#
# Power BI shows people a list of tables and views, and writes its SQL around the one that they choose. So the thinking should be in the view. These are in our schema, as in
# the lab (`lab_utils/sql/views.sql`):

# %% tags=["deterministic"]
pd.set_option("display.max_colwidth", 100)
ask("""
    SELECT viewname AS view, string_agg(column_name, ', ' ORDER BY ordinal_position) AS columns
    FROM pg_views
    JOIN information_schema.columns ON table_schema = schemaname AND table_name = viewname
    WHERE schemaname = 'unit09'
    GROUP BY viewname
    ORDER BY viewname
""")

# %% tags=["deterministic"]
ask("""
    SELECT symbol, window_start, round(close, 2) AS close, round(average_5, 2) AS average_5, round(average_20, 2) AS average_20, trend
    FROM trends
    WHERE asset_class = 'stock'
    ORDER BY window_start DESC, symbol
    LIMIT 5
""")

# %% [markdown]
# You have met everything in it: a window, two averages, a `CASE`. In `price_changes` you will find the `LATERAL` of section 3; its columns for an hour
# and a day are `NULL` here, as the recording is not that long.
#
# A view runs with the rights of its owner. So it can show a part of a table that its reader may not read:

# %% tags=["deterministic"]
with owner.begin() as connection:
    connection.execute(
        text("""
            DROP TABLE IF EXISTS trades CASCADE;
            CREATE TABLE trades AS SELECT symbol, price, 'somebody' AS buyer FROM latest_prices;
            REVOKE ALL ON trades FROM lab_reader;
            CREATE VIEW trade_prices AS SELECT symbol, price FROM trades
        """)
    )
print(len(ask("SELECT * FROM trade_prices")), "rows from the view")
try:
    ask("SELECT * FROM trades")
except ProgrammingError as error:
    print(error.orig)

# %% [markdown]
# A view is also a promise: the table below it may change, the names and the meaning of the view's columns stay. Dashboards should know views only.

# %% [markdown]
# ## What you have learnt
#
# - Values are **bound** (`:name` and `params`), never written into the text.
# - Exact numbers become floats in pandas: calculate in the database.
# - Newest of each: `DISTINCT ON` with `ORDER BY … DESC` **and a tie-break**, or `LATERAL … LIMIT 1` with an index.
# - Bins: `date_bin` with an origin in UTC. What "hour" and "day" mean is the session's business unless you say it.
# - A span is `>=` and `<`. It counts once, and it uses the index.
# - Windows: `PARTITION BY`, `ORDER BY`, `ROWS`. `lag` and `lead` look at neighbours, across gaps too.
# - `NULL` is "not known": sums pass over it, `coalesce` and `nullif` make it a value and a value it.
# - Correlate changes, not prices.
# - `EXPLAIN (ANALYZE, BUFFERS)` says what the server did. A function around a column takes the index away.
# - Dashboards get a role that can read, and views.
#
# On your live tables the same queries run with `from lab_utils.db_utils import engine` and `pd.read_sql(query, engine())`, after `lab start` has run for a while.
#
# **Next:** the exercises. In a terminal: `lab exercise start 09`, then open `work/09_postgresql.ipynb`.
