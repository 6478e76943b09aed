# The exercises of unit 06b, with their solutions. Build: lab build

# %% [markdown]
# # 06b Windows, watermarks and the database: exercises
#
# Five functions, from easy to hard. Write each in the place of the `...`, run its cell and the cell with the check
# below it.
#
# The check tries your function on ticks that you have not seen: late ones, some at the same moment, some without a
# size, prices with many digits. Any function that does the job passes; DataFrame functions or `spark.sql`, both are
# fine. The columns of a result may stand in any order, and others may stand beside them; a struct `window` counts as
# `window_start` and `window_end`. When you are stuck, `hint("06b.1")`.
#
# Start the servers and Spark first. This takes some seconds:

# %%
from lab_utils.teaching import check, hint, lab, progress, reveal

lab("up")

# %% tags=["setup"]
from datetime import datetime
from typing import Any

from psycopg2.extras import execute_values
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lab_utils.streaming.session import get_spark

spark = get_spark()

# %% [markdown]
# A few ticks to try your functions on, as in `last_5_minutes(TICKS).orderBy("window_start").show()`. All that your
# functions get look like these: `price` and `size` are `decimal(38,18)`, and a price update without a trade has no `size`.
# They are a batch, for which a watermark means nothing: all windows are given out.

# %%
TICKS = spark.sql("""
    SELECT symbol, 'USD' AS currency, CAST(price AS decimal(38,18)) AS price, CAST(size AS decimal(38,18)) AS size,
           CAST(moment AS timestamp) AS event_time, 0 AS kafka_partition, offset AS kafka_offset
    FROM VALUES
        ('BTC', 73843.24, 0.5, '2026-11-02 14:30:00Z', 0L),
        ('BTC', 73840.10, NULL, '2026-11-02 14:30:41.5Z', 1L),
        ('ETH', 2411.38, 2, '2026-11-02 14:30:59Z', 2L),
        ('BTC', 73851.77, 0.25, '2026-11-02 14:31:00Z', 3L)
        AS ticks(symbol, price, size, moment, offset)
""")
TICKS.show()

# %% [markdown]
# ## 06b.1 Candles of any width
#
# `candles` makes candles that are `width` wide, such as `"1 minute"` or `"15 minutes"`. There is one for each symbol,
# currency and window in which there are ticks. Columns: `symbol`, `currency`, `window_start`, `open`, `high`, `low`,
# `close`, `volume` (the sum of the sizes, 0 when none is known), `tick_count`, and `trades`: how many of the ticks have
# a size.
#
# Open and close go by event time; of two ticks at the same moment, the one with the smaller `kafka_offset` came first (all
# ticks of a symbol lie in one partition).
# All prices keep all their digits. It must work on a stream as well.


# %%
### BEGIN SOLUTION 06b.1
def candles(ticks: DataFrame, width: str) -> DataFrame:
    """Candles of that width."""
    place = F.struct("event_time", "kafka_offset")
    grouped = ticks.groupBy("symbol", "currency", F.window("event_time", width).alias("window"))
    return (
        grouped.agg(
            F.min_by("price", place).alias("open"),
            F.max("price").alias("high"),
            F.min("price").alias("low"),
            F.max_by("price", place).alias("close"),
            F.coalesce(F.sum("size"), F.lit(0)).alias("volume"),
            F.count("*").alias("tick_count"),
            F.count("size").alias("trades"),
        )
        .select("*", F.col("window.start").alias("window_start"))
        .drop("window")
    )


### END SOLUTION
### BEGIN STUB
# def candles(ticks: DataFrame, width: str) -> DataFrame:
#     """Candles of that width."""
#     return ...
### END STUB

# %%
check("06b.1", candles)

# %% [markdown] tags=["solution"]
# `count("*")` counts rows, `count("size")` those whose size is known. `first` and `last` in the place of `min_by` and
# `max_by` give the right candle as long as the ticks happen to be read in order, and a wrong one without a word when
# they are not.

# %% [markdown]
# ## 06b.2 The last five minutes
#
# `last_5_minutes` gives, for each symbol and each full minute at which a window of five minutes ends, the lowest and
# the highest price of these five minutes. Columns: `symbol`, `window_start`, `window_end`, `low`, `high`. All ticks are in
# one currency.
#
# Its argument is a stream of ticks, and what it returns will be written in the mode `append`. A tick may come late: its
# event time may lie up to two minutes before the newest one seen so far, and it must be in. Nobody waits longer.


# %%
### BEGIN SOLUTION 06b.2
def last_5_minutes(ticks: DataFrame) -> DataFrame:
    """The range of the prices in windows of five minutes, one a minute."""
    waiting = ticks.withWatermark("event_time", "2 minutes")
    return (
        waiting.groupBy("symbol", F.window("event_time", "5 minutes", "1 minute").alias("window"))
        .agg(F.min("price").alias("low"), F.max("price").alias("high"))
        .select(
            "symbol",
            F.col("window.start").alias("window_start"),
            F.col("window.end").alias("window_end"),
            "low",
            "high",
        )
    )


### END SOLUTION
### BEGIN STUB
# def last_5_minutes(ticks: DataFrame) -> DataFrame:
#     """The range of the prices in windows of five minutes, one a minute."""
#     return ...
### END STUB

# %%
check("06b.2", last_5_minutes)

# %% [markdown]
# ## 06b.3 Which ticks are late?
#
# `numRowsDroppedByWatermark` does not say how many ticks were lost. `late_ticks` does: given the watermark of a query
# that makes candles that are `width` wide, it returns those of the ticks that the query would drop if they came now.
# The columns of a tick are in the result as they were.
#
# `watermark` is a datetime with a time zone. `late_ticks(ticks, watermark, "1 minute").count()` is then the number that
# was wanted.


# %%
### BEGIN SOLUTION 06b.3
def late_ticks(ticks: DataFrame, watermark: datetime, width: str) -> DataFrame:
    """The ticks whose window is over."""
    window_end = F.window("event_time", width).getField("end")
    return ticks.withColumn("window_end", window_end).where(F.col("window_end") <= F.lit(watermark))


### END SOLUTION
### BEGIN STUB
# def late_ticks(ticks: DataFrame, watermark: datetime, width: str) -> DataFrame:
#     """The ticks whose window is over."""
#     return ...
### END STUB

# %%
check("06b.3", late_ticks)

# %% [markdown] tags=["solution"]
# A tick can be far older than the watermark and still be in time: with candles of an hour, all that counts is whether
# the hour is over.

# %% [markdown]
# ## 06b.4 An upsert
#
# `upsert_candles` writes a batch of candles into the table `candles`. The batch comes from a query in the mode
# `update`: each row is the whole candle, as it stands now. When the function has returned, the rows are committed. The
# table is
#
#     CREATE TABLE candles (
#         symbol text, currency text, window_start timestamptz,
#         open numeric, high numeric, low numeric, close numeric, volume numeric, tick_count bigint,
#         PRIMARY KEY (symbol, currency, window_start)
#     )
#
# and the batch has the same columns, in any order. `connection` is an open connection of psycopg2. Only through it is the
# table `candles` found: the check makes one of its own for you. Leave it open, the next batch uses it too. The computer on
# which this runs may be in any time zone.


# %%
### BEGIN SOLUTION 06b.4
UPSERT = """
    INSERT INTO candles (symbol, currency, window_start, open, high, low, close, volume, tick_count) VALUES %s
    ON CONFLICT (symbol, currency, window_start) DO UPDATE
    SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, tick_count = excluded.tick_count
"""


def upsert_candles(batch: DataFrame, batch_id: int, connection: Any) -> None:
    """Insert the candles of a batch, or replace those that are there."""
    columns = ["symbol", "currency", "window_start", "open", "high", "low", "close", "volume", "tick_count"]
    rows = [tuple(row.values()) for row in batch.select(columns).toArrow().to_pylist()]
    with connection, connection.cursor() as cursor:
        execute_values(cursor, UPSERT, rows)


### END SOLUTION
### BEGIN STUB
# def upsert_candles(batch: DataFrame, batch_id: int, connection: Any) -> None:
#     """Insert the candles of a batch, or replace those that are there."""
#     ...
### END STUB

# %%
check("06b.4", upsert_candles)

# %% [markdown] tags=["solution"]
# `with connection` is a transaction of psycopg2: it commits at the end of the block, undoes everything when the block
# raises, and leaves the connection open. `batch_id` is not needed: a candle has a name of its own.

# %% [markdown]
# ## 06b.5 Once, whatever happens
#
# `add_once` adds a batch of ticks to the totals of each symbol: how many ticks, and their volume (a tick without a size
# adds nothing to it). The same batch may come again, after a crash at any moment: it must be in the totals once. Two
# queries write into the same totals, and each counts its batches from 0.
#
#     CREATE TABLE totals (symbol text PRIMARY KEY, ticks bigint NOT NULL, volume numeric NOT NULL)
#     CREATE TABLE batches (query_id uuid, batch_id bigint, PRIMARY KEY (query_id, batch_id))
#
# Both are found only through `connection`, as before. The table `batches` is yours, for notes. `query_id` is a text. When the database refuses something, nothing of the
# batch may stay, and the error must come out of your function: else Spark takes the batch for done.


# %%
### BEGIN SOLUTION 06b.5
ADD = """
    INSERT INTO totals AS stored (symbol, ticks, volume) VALUES %s
    ON CONFLICT (symbol) DO UPDATE
    SET ticks = stored.ticks + excluded.ticks, volume = stored.volume + excluded.volume
"""
NOTE = "INSERT INTO batches (query_id, batch_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"


def add_once(batch: DataFrame, batch_id: int, query_id: str, connection: Any) -> None:
    """Add the ticks of a batch to the totals, unless it is in already."""
    sums = batch.groupBy("symbol").agg(F.count("*"), F.coalesce(F.sum("size"), F.lit(0)))
    rows = [tuple(row) for row in sums.collect()]
    with connection, connection.cursor() as cursor:
        cursor.execute(NOTE, (query_id, batch_id))
        if cursor.rowcount == 1:
            execute_values(cursor, ADD, rows)


### END SOLUTION
### BEGIN STUB
# def add_once(batch: DataFrame, batch_id: int, query_id: str, connection: Any) -> None:
#     """Add the ticks of a batch to the totals, unless it is in already."""
#     ...
### END STUB

# %%
check("06b.5", add_once)

# %% [markdown] tags=["solution"]
# The note and the rows are one transaction. A note that is committed first loses the batch when the rows fail; one that
# is committed afterwards counts it twice. And a `try … except` that only prints would lose it as well: the error must
# reach Spark.

# %% [markdown]
# ## How far am I?

# %%
progress()
