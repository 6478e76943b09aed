# The exercises of unit 06a, with their solutions. Build: lab build

# %% [markdown]
# # 06a Writing the streaming query: exercises
#
# Six functions. Write each in the place of the `...`, run its cell and the cell with the check below it.
#
# The check tries your function on records that you have not seen: broken ones, missing ones, tiny prices. How it is written does not
# matter: with DataFrames, or with `spark.sql("SELECT … FROM {records}", records=records)`. A DataFrame may have its columns in any order,
# and others beside those that the task names. When you are stuck, `hint("06a.1")`.
#
# The first cells start the servers and Spark, which takes ten seconds or so.

# %%
from lab_utils.teaching import check, hint, lab, progress, reveal

lab("up")

# %% tags=["setup"]
import json
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lab_utils.streaming.session import get_spark

spark = get_spark()

# %% [markdown]
# ## 06a.1 Read from a place
#
# `read_from` reads a topic as a batch: from the places in `start`, which names every partition, up to where the topic ends now. The
# columns: `partition`, `offset`, and `key` and `value` as text. A record may have no key.


# %%
### BEGIN SOLUTION 06a.1
def read_from(spark: SparkSession, servers: str, topic: str, start: dict[int, int]) -> DataFrame:
    """The records from `start` on, which is {partition: offset}; `servers` is the address of the broker."""
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .load()
    )
    return records.select("partition", "offset", F.col("key").cast("string"), F.col("value").cast("string"))


### END SOLUTION
### BEGIN STUB
# def read_from(spark: SparkSession, servers: str, topic: str, start: dict[int, int]) -> DataFrame:
#     """The records from `start` on, which is {partition: offset}; `servers` is the address of the broker."""
#     return ...
### END STUB

# %%
check("06a.1", read_from)

# %% [markdown] tags=["solution"]
# `json.dumps` writes the numbers of the partitions as text, as JSON wants its names. To read everything and keep what is `>=` the place
# gives the same rows, and reads the whole topic for it.

# %% [markdown]
# ## 06a.2 Parse
#
# `parse_ticks` turns records, with the columns that Kafka gives them, into ticks: one row a record, however broken it is. The columns:
# `partition`, `offset`, `symbol`, `price`, `size`, `event_time`.
#
# - `price` and `size` keep every digit, up to 18 behind the point. They come as JSON numbers or in quotes.
# - `event_time` is a timestamp. The text is in ISO 8601 and in UTC; what cannot be read as a time is `NULL`.
# - A field that is missing or cannot be read is `NULL`, the others of that record stay. Nothing may end the query.


# %%
### BEGIN SOLUTION 06a.2
def parse_ticks(records: DataFrame) -> DataFrame:
    """The fields of each record's JSON, and where the record lies."""
    schema = "symbol string, price decimal(38,18), size decimal(38,18), event_time string"
    tick = F.from_json(F.col("value").cast("string"), schema)
    return records.select("partition", "offset", tick.alias("tick")).select(
        "partition",
        "offset",
        "tick.symbol",
        "tick.price",
        "tick.size",
        F.col("tick.event_time").try_cast("timestamp").alias("event_time"),
    )


### END SOLUTION
### BEGIN STUB
# def parse_ticks(records: DataFrame) -> DataFrame:
#     """The fields of each record's JSON, and where the record lies."""
#     return ...
### END STUB

# %%
check("06a.2", parse_ticks)

# %% [markdown]
# ## 06a.3 Valid or not
#
# `split_valid` is given parsed records, and returns two DataFrames: the valid ones and the rejected ones. **Each record is in exactly one
# of them.** It must work on a batch and on a stream.
#
# The columns that you get: `partition`, `offset`, `value` (the bytes), `symbol`, `price`, `size`, `event_time`, and `corrupt`, in which
# `from_json` has left the text that it could not read wholly (else `NULL`).
#
# A record is **valid** when it is not corrupt, has a symbol of at least one character, a price above zero, and an event time. A size may be
# missing; one that is there is not below zero.
#
# The rejected ones have the columns `partition`, `offset`, `value` as it was, and `reason`: a text in which the name of a column
# stands that is not as it should be, such as `no price` or `no event_time`. The valid ones have `partition`, `offset`, `symbol`, `price`, `size` and `event_time`.


# %%
### BEGIN SOLUTION 06a.3
def split_valid(ticks: DataFrame) -> tuple[DataFrame, DataFrame]:
    """The valid records, and the rejected ones with their `reason`."""
    reason = F.coalesce(
        F.when(F.col("corrupt").isNotNull(), "corrupt"),
        F.when(F.col("symbol").isNull() | (F.col("symbol") == ""), "no symbol"),
        F.when(F.col("price").isNull() | (F.col("price") <= 0), "no price above zero"),
        F.when(F.col("size") < 0, "size below zero"),
        F.when(F.col("event_time").isNull(), "no event_time"),
    )
    judged = ticks.withColumn("reason", reason)
    return judged.where(F.col("reason").isNull()), judged.where(F.col("reason").isNotNull())


### END SOLUTION
### BEGIN STUB
# def split_valid(ticks: DataFrame) -> tuple[DataFrame, DataFrame]:
#     """The valid records, and the rejected ones with their `reason`."""
#     valid, rejected = ..., ...
#     return valid, rejected
### END STUB

# %%
check("06a.3", split_valid)

# %% [markdown] tags=["solution"]
# `price <= 0` is `NULL` for a missing price, and `when` takes that for "no": hence the `isNull()` beside it. For the size it is just what
# is wanted.

# %% [markdown]
# ## 06a.4 Go on where it stopped
#
# Each call of `bring_new` brings what is new in a topic into files, and returns when it has done so. The first call brings everything from
# the beginning; no later one brings a record again, or leaves one out. When it returns, nothing of it runs any more.
#
# The files are in the format Parquet, below `folder / "rows"`, with the columns `partition`, `offset` and `text` (the value as text). The
# checkpoint is in `folder / "checkpoint"`.


# %%
### BEGIN SOLUTION 06a.4
def bring_new(spark: SparkSession, servers: str, topic: str, folder: Path) -> None:
    """Bring what is new in `topic` into Parquet files below `folder`."""
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
    )
    query = (
        records.select("partition", "offset", F.col("value").cast("string").alias("text"))
        .writeStream.format("parquet")
        .option("path", str(folder / "rows"))
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()


### END SOLUTION
### BEGIN STUB
# def bring_new(spark: SparkSession, servers: str, topic: str, folder: Path) -> None:
#     """Bring what is new in `topic` into Parquet files below `folder`."""
#     ...
### END STUB

# %%
check("06a.4", bring_new)

# %% [markdown]
# ## 06a.5 How far behind?
#
# `rows_behind` says for each topic and partition how many records were still to be read when a batch had ended, as `{topic: {partition:
# records}}`, the partition as a number. It is given a report as `json.loads(query.lastProgress.json)` makes it.
#
# A query may read several topics, by one source or by several; no topic is read by two. A partition may be so new that the batch did not
# know it: then it stands in `latestOffset` alone, and all its records, counted from offset 0, are still to be read.


# %%
### BEGIN SOLUTION 06a.5
def rows_behind(report: dict[str, Any]) -> dict[str, dict[int, int]]:
    """Topic → partition → records still to be read after the batch."""
    behind: dict[str, dict[int, int]] = {}
    for source in report["sources"]:
        for topic, latest in source["latestOffset"].items():
            done = source["endOffset"].get(topic, {})
            behind[topic] = {int(partition): end - done.get(partition, 0) for partition, end in latest.items()}
    return behind


### END SOLUTION
### BEGIN STUB
# def rows_behind(report: dict[str, Any]) -> dict[str, dict[int, int]]:
#     """Topic → partition → records still to be read after the batch."""
#     return ...
### END STUB

# %%
check("06a.5", rows_behind)

# %% [markdown]
# ## 06a.6 Which batch is stuck?
#
# A query has ended, and nobody knows why. `stuck_batch` looks into its checkpoint: it returns the number of the batch that was planned and
# not done, or `None` when there is none. The query may have made a thousand batches, of which Spark keeps the files of the last hundred; or
# none at all, and then there may be no more than the file `metadata`. Beside a file there is its checksum, such as `.12.crc`, and a crash
# may have left a file that was being written, such as `.12.5f7448.tmp`.


# %%
### BEGIN SOLUTION 06a.6
def stuck_batch(checkpoint: Path) -> int | None:
    """The number of the batch that was planned and not done."""
    planned = [int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*")]
    if not planned:
        return None
    newest = max(planned)
    return None if (checkpoint / "commits" / str(newest)).exists() else newest


### END SOLUTION
### BEGIN STUB
# def stuck_batch(checkpoint: Path) -> int | None:
#     """The number of the batch that was planned and not done."""
#     return ...
### END STUB

# %%
check("06a.6", stuck_batch)

# %% [markdown] tags=["solution"]
# The names are numbers: as text, "9" comes behind "10". And batch 0 is a batch: `newest or None` would lose it.

# %% [markdown]
# ## How far am I?

# %%
progress()
