# The exercises of unit 12b, with their solutions. Build: lab build

# %% [markdown]
# # 12b Scaling out Spark: exercises
#
# Six tasks, from easy to hard. Write each in the place of the `...`, run its cell and the cell with the check
# below it.
#
# No cluster is needed: the check tries your functions on what a cluster, a topic or a stage has said, in cases that you have
# not seen. The last two run in Spark. Any function that does the job passes. When you are stuck, `hint("12b.1")`.
#
# Start the servers and Spark first. This takes some seconds:

# %%
from lab_utils.teaching import check, hint, lab, progress, reveal

lab("up")

# %% tags=["setup"]
import heapq
import json
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

# %%
from lab_utils.streaming.session import get_spark

spark = get_spark()

# %% [markdown]
# ## 12b.1 What has the cluster?
#
# A program hangs and says nothing. `look_at` reads what the page of the Spark master answers at `/json/`, as a dictionary, and
# tells three things:
#
# - how many slots are free on workers that are alive,
# - the ids of the workers that are not, in the order of the answer,
# - the names of the programs that have got no slot and wait for one, in the order of the answer.
#
# A part of such an answer, for trying:

# %%
ANSWER: dict[str, Any] = {
    "url": "spark://127.0.0.1:7077",
    "workers": [
        {"id": "worker-1", "host": "10.0.0.1", "cores": 4, "coresused": 3, "coresfree": 1, "state": "ALIVE"},
        {"id": "worker-2", "host": "10.0.0.2", "cores": 4, "coresused": 2, "coresfree": 2, "state": "DEAD"},
    ],
    "aliveworkers": 1,
    "cores": 4,
    "coresused": 3,
    "activeapps": [
        {"id": "app-1", "name": "stream", "cores": 3, "state": "RUNNING"},
        {"id": "app-2", "name": "notebook", "cores": 0, "state": "WAITING"},
    ],
    "completedapps": [{"id": "app-0", "name": "report", "cores": 0, "state": "FINISHED"}],
    "status": "ALIVE",
}


# %%
### BEGIN SOLUTION 12b.1
def look_at(answer: dict[str, Any]) -> tuple[int, list[str], list[str]]:
    """Free slots, workers that are lost, programs that wait."""
    alive = [worker for worker in answer["workers"] if worker["state"] == "ALIVE"]
    free = sum(worker["coresfree"] for worker in alive)
    lost = [worker["id"] for worker in answer["workers"] if worker["state"] != "ALIVE"]
    waiting = [program["name"] for program in answer["activeapps"] if program["cores"] == 0]
    return free, lost, waiting


### END SOLUTION
### BEGIN STUB
# def look_at(answer: dict[str, Any]) -> tuple[int, list[str], list[str]]:
#     """Free slots, workers that are lost, programs that wait."""
#     return ...
### END STUB

# %%
check("12b.1", look_at)

# %% [markdown] tags=["solution"]
# A dead worker keeps its last numbers in the list, so its `coresfree` must not be counted. The master's own `cores` and `coresused` count the
# living alone: `answer["cores"] - answer["coresused"]` is as right.

# %% [markdown]
# ## 12b.2 When is a stage over?
#
# `stage_time` says how long a stage takes. Its tasks have a number each and begin in that order. Whenever a slot is free, the next task
# begins in it at once. `durations` has the milliseconds of each task; all slots are free at the beginning.


# %%
### BEGIN SOLUTION 12b.2
def stage_time(durations: list[int], slots: int) -> int:
    """Milliseconds from the beginning of the first task to the end of the last."""
    free_at = [0] * slots
    for duration in durations:
        heapq.heapreplace(free_at, free_at[0] + duration)
    return max(free_at)


### END SOLUTION
### BEGIN STUB
# def stage_time(durations: list[int], slots: int) -> int:
#     """Milliseconds from the beginning of the first task to the end of the last."""
#     return ...
### END STUB

# %%
check("12b.2", stage_time)

# %% [markdown] tags=["solution"]
# A heap keeps the smallest number in front: the slot that is free first. Try `stage_time([8, 1, 1, 1, 1], 2)` and `stage_time([1, 1, 1, 1, 8], 2)`: a long
# task that begins last makes everybody wait. A hundred slots change nothing then.

# %% [markdown]
# ## 12b.3 How many partitions?
#
# A topic is to be planned. `ticks_per_second` arrive, a core works `microseconds` on each, and a task shall be busy at most `busy_percent` of the time, so that it
# can catch up. `partitions_needed` is the smallest number of partitions, each with a task and a core of its own, that is enough. Assume that the ticks divide evenly,
# with one exception: the busiest symbol has `top_percent` of all ticks, and as it is the key they are all in one partition. When this symbol alone
# is too much for a task, no number of partitions is enough: return `None`.
#
# All numbers are whole, and some are too large for a float: calculate in whole numbers. One partition is needed in any case.


# %%
### BEGIN SOLUTION 12b.3
def partitions_needed(ticks_per_second: int, microseconds: int, busy_percent: int, top_percent: int) -> int | None:
    """The smallest number of partitions that is enough, or None."""
    work = ticks_per_second * microseconds * 100
    one_task = 1_000_000 * busy_percent
    if work * top_percent > one_task * 100:
        return None
    return max(1, -(-work // one_task))


### END SOLUTION
### BEGIN STUB
# def partitions_needed(ticks_per_second: int, microseconds: int, busy_percent: int, top_percent: int) -> int | None:
#     """The smallest number of partitions that is enough, or None."""
#     return ...
### END STUB

# %%
check("12b.3", partitions_needed)

# %% [markdown] tags=["solution"]
# `-(-a // b)` rounds up, and whole numbers stay whole: `math.ceil(a / b)` goes through a float, which can be a hair too large, and then one partition too many is
# bought. In a plan this is no tragedy, in a comparison (`>`) it decides between a number and `None`.

# %% [markdown]
# ## 12b.4 p50 and p99
#
# The records of an output topic carry in their JSON the millisecond in which the tick was `sent`, and the name of the `run`. `record.timestamp` is the
# millisecond in which the broker took the record. `latency` gives the p50 and the p99 of one run, in milliseconds, or `None` when it has no record.
#
# There are several ways to compute a percentile. Take the plainest, the **nearest rank**: the smallest latency such that at least so many percent of all are no larger. It is
# always one that was measured. Of 10 latencies the p50 is the fifth smallest, and the p99 the tenth.


# %%
### BEGIN SOLUTION 12b.4
def latency(records: list[Any], run: str) -> tuple[int, int] | None:
    """p50 and p99 of the records of `run`; each has a `value` (JSON) and a `timestamp`."""
    found = []
    for record in records:
        tick = json.loads(record.value)
        if tick["run"] == run:
            found.append(record.timestamp - tick["sent"])
    if not found:
        return None
    found.sort()
    p50, p99 = (found[-(-len(found) * percent // 100) - 1] for percent in (50, 99))
    return p50, p99


### END SOLUTION
### BEGIN STUB
# def latency(records: list[Any], run: str) -> tuple[int, int] | None:
#     """p50 and p99 of the records of `run`; each has a `value` (JSON) and a `timestamp`."""
#     return ...
### END STUB

# %%
check("12b.4", latency)

# %% [markdown]
# ## 12b.5 Salt
#
# A volume in two steps. `partial_volume` divides the ticks of each symbol into at most `salts` groups, about equally large, and gives for each group `symbol`, `salt`,
# `volume` (the sum of the sizes) and `ticks` (how many). In which group a tick is must depend on the tick alone: a task that is tried again may get its rows in another order.
# `total_volume` takes such parts and gives `symbol`, `volume` and `ticks`.
#
# Ticks have `symbol`, `size` (`decimal(38,18)`, often NULL), `kafka_partition` and `kafka_offset`. The volume of a symbol without any size is 0 in the end.
# A few to try on, as in `total_volume(partial_volume(TICKS, 2)).show()`:

# %%
TICKS = spark.sql("""
    SELECT symbol, CAST(size AS decimal(38,18)) AS size, 0 AS kafka_partition, kafka_offset
    FROM VALUES ('BTC', 0.5, 0L), ('BTC', NULL, 1L), ('ETH', 2, 2L), ('BTC', 0.25, 3L), ('SOL', NULL, 4L)
        AS ticks(symbol, size, kafka_offset)
""")


# %%
### BEGIN SOLUTION 12b.5
def partial_volume(ticks: DataFrame, salts: int) -> DataFrame:
    """First step: one row for each symbol and salt."""
    salted = ticks.withColumn("salt", F.col("kafka_offset") % salts)
    return salted.groupBy("symbol", "salt").agg(F.sum("size").alias("volume"), F.count("*").alias("ticks"))


def total_volume(parts: DataFrame) -> DataFrame:
    """Second step: one row for each symbol."""
    volume = F.coalesce(F.sum("volume"), F.lit(0)).alias("volume")
    return parts.groupBy("symbol").agg(volume, F.sum("ticks").alias("ticks"))


### END SOLUTION
### BEGIN STUB
# def partial_volume(ticks: DataFrame, salts: int) -> DataFrame:
#     """First step: one row for each symbol and salt."""
#     return ...
#
#
# def total_volume(parts: DataFrame) -> DataFrame:
#     """Second step: one row for each symbol."""
#     return ...
### END STUB

# %%
check("12b.5", partial_volume, total_volume)

# %% [markdown] tags=["solution"]
# The count of the second step is a **sum**: counting the parts would give the number of salts. Where the offsets of a symbol follow a pattern (each second one, say), their remainder is uneven; then salt with
# `F.pmod(F.hash("kafka_partition", "kafka_offset"), F.lit(salts))`. (`%` of a negative hash would be negative, and make twice as many groups.)

# %% [markdown]
# ## 12b.6 An alert in real time
#
# `alerts` gets the records of a topic, as `format("kafka")` reads them, and gives those that are an alert, `key` and `value` as they came and no other column. It must run in real-time mode.
#
# A value is JSON with `price` and `before`, numbers with at most eight places. It is an alert when the price is away from `before` by **at least** `percent` percent of it, up or down. What is no JSON, or has no
# price, or has no `before` above zero, is no alert, and it must not stop the query.
#
# Some records, as in `alerts(RECORDS, 5).select(F.col("value").cast("string")).show()`:

# %%
RECORDS = spark.sql("""
    SELECT CAST(key AS binary) AS key, CAST(value AS binary) AS value, 'ticks' AS topic, 0 AS partition,
           monotonically_increasing_id() AS offset, current_timestamp() AS timestamp, 1 AS timestampType
    FROM VALUES ('BTC', '{"price": 105.5, "before": 100}'), ('ETH', '{"price": 99, "before": 100}'), ('SOL', 'not json')
        AS records(key, value)
""")


# %%
### BEGIN SOLUTION 12b.6
def alerts(records: DataFrame, percent: int) -> DataFrame:
    """Those records whose price has moved by `percent` percent or more."""
    tick = F.from_json(F.col("value").cast("string"), "price decimal(20,8), before decimal(20,8)")
    moved = F.abs(tick["price"] - tick["before"]) * 100 >= tick["before"] * percent
    return records.where(moved & (tick["before"] > 0)).select("key", "value")


### END SOLUTION
### BEGIN STUB
# def alerts(records: DataFrame, percent: int) -> DataFrame:
#     """Those records whose price has moved by `percent` percent or more."""
#     return ...
### END STUB

# %%
check("12b.6", alerts)

# %% [markdown] tags=["solution"]
# No division: `before` may be 0, and in Spark 4 a division by zero ends the query. No float: 1.21 is exactly ten percent above 1.1, and as floats a hair less. A `where` keeps a row only when its condition is
# true, so what gives NULL (no JSON, no price) is out without a word.

# %% [markdown]
# ## How far am I?

# %%
progress()
