# The lesson of unit 12b. Build: lab build

# %% [markdown]
# # 12b Scaling out Spark
#
# **Goal.** You let the same query run on eight threads, on a cluster of two workers, and without batches at all. You see which
# process did what, why one busy symbol makes everybody wait, what is left when a worker or the driver dies, and what it costs to be
# fast. At the end you work out what a million ticks a second would take, from numbers that you measured yourself.
#
# About 45 minutes. You come from 06b and 12a: checkpoints, `foreachBatch`, consumer groups and copies are known here. The lesson starts a second lab
# beside yours; together they take 3 GB of memory while it runs, and its cells work for two to three minutes in all. The cells build on each other: to run one a second
# time, begin again with the first one, which removes what the lesson made. Nothing here can break your own lab: `lab reset 12b` in a terminal
# stops and removes what this unit made, and puts a fresh copy of its exercises into `work/` (yours is kept beside it).

# %% [markdown]
# ## Where we are
#
# At Spark again. A Python process has one Spark at a time, so the first cell stops the one that an earlier run of this notebook may have left.

# %%
from pyspark.sql import SparkSession

from lab_utils.teaching import another_lab, clean_slate, lab

running = SparkSession.getActiveSession()
if running is not None:
    for query in running.streams.active:
        query.stop()
    running.stop()
lab("up")
folder = clean_slate("12b")

# %%
from lab_utils.teaching.pictures import pipeline_map

pipeline_map(here="spark")

# %% [markdown]
# ## 1. Slots
#
# Until now you said `get_spark()` and did not ask where the work is done. The setting `spark.master` decides it. `local[8]` means: in this process, in eight
# threads. Spark calls them **slots**. Whatever a query does is cut into **tasks**, and a slot does one task at a time.
#
# `PAGE` switches on the page on which Spark tells what its tasks did. It listens on your machine alone.

# %%
import os

from lab_utils.streaming.session import get_spark
from lab_utils.teaching.spark_tasks import PAGE

spark = get_spark(**{"spark.master": "local[8]"}, **PAGE)
print("cores of this machine:", os.cpu_count())
print("Spark's page:         ", spark.sparkContext.uiWebUrl)

# %% [markdown]
# How many tasks are there? When Spark reads Kafka: **one for each partition.** Make four topics with the same 800 records, in 1, 2, 4 and 8 partitions.

# %%
from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lab_utils import kafka_utils
from lab_utils.servers import kafka_server


def make_topic(topic: str, partitions: int, values: Iterable[bytes] = ()) -> None:
    """A topic that lies on all brokers, with these values dealt out evenly."""
    with kafka_utils.admin() as admin:
        wanted = {"num_partitions": partitions, "replication_factor": kafka_server.replicas()}
        admin.create_topics({topic: {**wanted, "configs": kafka_utils.TOPIC_SETTINGS}})
        admin.wait_for_topics([topic])
    producer = kafka_utils.make_producer(linger_ms=200)
    for number, value in enumerate(values):
        producer.send(topic, value=value, partition=number % partitions)
    producer.close()


def kafka(topic: str, **options: str) -> dict[str, str]:
    """The options with which Spark reads a topic."""
    quick = {"kafka.fetch.max.wait.ms": "10"}  # the broker need not wait for more records than there are
    return {"kafka.bootstrap.servers": servers, "subscribe": topic, "startingOffsets": "earliest", **quick, **options}


def read(topic: str, **options: str) -> DataFrame:
    """All that is in a topic now."""
    return spark.read.format("kafka").options(**kafka(topic, **options)).load()


servers = kafka_server.bootstrap_servers()
for partitions in (1, 2, 4, 8):
    make_topic(f"unit12b.in{partitions}", partitions, (str(number).encode() for number in range(800)))

# %% tags=["deterministic"]
for partitions in (1, 2, 4, 8):
    topic = f"unit12b.in{partitions}"
    print(partitions, "partitions →", read(topic).rdd.getNumPartitions(), "tasks for", read(topic).count(), "records")

# %% [markdown]
# Now two kinds of work. The first one **waits** for two milliseconds in each row, as if it asked a service elsewhere. The second one **computes** about as long:
# a hash of a hash of a hash. Both are Java inside Spark (`java_method` calls a method of Java in each row), so no Python gets into the way.


# %%
def waits(records: DataFrame) -> DataFrame:
    """Two milliseconds a record in which nothing is done."""
    sleep = F.java_method(F.lit("java.lang.Thread"), F.lit("sleep"), F.lit(2).cast("bigint"))
    return records.withColumn("work", sleep)


def computes(records: DataFrame) -> DataFrame:
    """About as long, and a core is busy all the while."""
    return records.withColumn("work", F.expr("aggregate(sequence(1, 1000), hex(value), (hash, _) -> md5(hash))"))


def run(rows: DataFrame) -> None:
    """Make all rows, and throw them away: `noop` is the sink for measuring."""
    rows.write.format("noop").mode("overwrite").save()


# %% [markdown]
# Each task reports when it began, how long it took, and how much of this time a core really worked for it. `tasks_of` does something with Spark and
# collects these reports from Spark's page.

# %%
import functools

import pandas as pd

from lab_utils.teaching.spark_tasks import span, tasks_of

run(computes(read("unit12b.in8").where("offset < 10")))  # once for nothing: Java compiles its code while it runs
measured = []
for work in (waits, computes):
    for partitions in (1, 2, 4, 8):
        rows = work(read(f"unit12b.in{partitions}"))
        tasks = tasks_of(spark, functools.partial(run, rows))
        seconds = span(tasks)
        busy = sum(task.busy_seconds for task in tasks)
        measured.append((work.__name__, len(tasks), seconds, busy / seconds))
table = pd.DataFrame(measured, columns=["work", "tasks", "seconds", "cores busy"])
table["times faster"] = table.groupby("work")["seconds"].transform("first") / table["seconds"]
table.round(2)

# %%
import plotly.graph_objects as go

from lab_utils.look import GREY, GRID, LAYOUT

figure = go.Figure()
for name, own in table.groupby("work", sort=False):
    figure.add_scatter(x=own["tasks"], y=own["times faster"], name=f"it {name}", mode="lines+markers")
figure.add_scatter(x=[1, 8], y=[1, 8], name="as many times as tasks", line={"dash": "dot", "color": GREY})
figure.update_layout(LAYOUT, title="800 records, eight slots: how many times faster", height=340)
figure.update_xaxes(title="partitions = tasks", type="log", tickvals=[1, 2, 4, 8], gridcolor=GRID)
figure.update_yaxes(title="times faster", type="log", tickvals=[1, 2, 4, 8], gridcolor=GRID)
figure

# %% [markdown]
# Two lessons in one picture:
#
# - **Waiting** gets faster with each slot. Eight tasks that wait need hardly a core: see `cores busy`. A slot is a number that somebody wrote into a setting. (The
#   line bends, for each task must also begin, and ask Kafka for its records.)
# - **Computing** gets faster as long as there are cores, and not a bit longer. (With eight cores or more, your two lines look alike. When something else is busy on
#   your machine, the line is even lower: `cores busy` says how many cores Spark got.)
#
# And one that is not in the picture: with one partition there is one task, and seven slots have nothing to do. **More partitions than slots do no harm, fewer leave slots
# empty.** If a topic has too few, Spark can cut a partition into several tasks by offsets:

# %% tags=["deterministic"]
for options in ({}, {"minPartitions": "4"}):
    print(options, "→", read("unit12b.in1", **options).rdd.getNumPartitions(), "tasks")

# %% [markdown]
# The price of `minPartitions` is the order within the partition: four tasks read it at the same time. Candles do not mind, they go by event time (06b).
#
# ## 2. From threads to a cluster
#
# More slots are a setting. More cores are more machines, and then Spark falls into four kinds of processes:
#
# | | does | there is |
# |---|---|---|
# | **driver** | makes the plan, hands out tasks, runs your `foreachBatch` | one for each program: this notebook |
# | **executor** | runs tasks in its slots, for one program alone | several |
# | **worker** | stands on a machine, starts executors, watches them | one on each machine |
# | **master** | knows all workers; gives a program its executors | one |
#
# Start a second lab that has them. Its profile `cluster` also has three brokers, as in 12a. First stop the Spark of this process: it can have only one. This
# takes a quarter of a minute.

# %%
spark.stop()
cluster = folder / "cluster"
with another_lab(cluster):
    lab("up", "--profile", "cluster")
    lab("status")

# %% [markdown]
# (`with another_lab(…)`: inside the block all commands and helpers mean the second lab. Its servers go on behind it.) Ask the master what it has. Each worker was
# started with `--cores 1`, so that the two together have as many slots as a small machine has cores:

# %%
from collections import Counter
from typing import Any

import httpx
import psutil
from pyspark.sql import Row

from lab_utils import stack
from lab_utils.servers import spark_server
from lab_utils.waiting import wait_until

with another_lab(cluster):
    servers = kafka_server.bootstrap_servers()
    master_page = spark_server.page()
    workers = {part.name: part.process for part in stack.parts() if part.process and "worker" in part.name}


def ask_master() -> dict[str, Any]:
    """What the page of the master says, for programs."""
    return dict(httpx.get(f"{master_page}/json/", timeout=60, trust_env=False).json())


def say_workers() -> None:
    """The workers, one a line."""
    for worker in ask_master()["workers"]:
        print(worker["id"], " ", worker["state"], " ", worker["coresused"], "of", worker["cores"], "cores used")


say_workers()

# %% [markdown]
# Nobody uses them yet. Now a session on the cluster. What is different from `local[8]`?

# %%
with another_lab(cluster):
    on_cluster = spark_server.session_settings()
for name in ("spark.master", "spark.cores.max", "spark.executor.cores", "spark.executor.memory"):
    print(f"{name:24}", on_cluster[name])

with another_lab(cluster):
    spark = get_spark(**on_cluster, **PAGE)
    make_topic("unit12b.in8", 8, (str(number).encode() for number in range(800)))
wait_until(lambda: ask_master()["coresused"] == 2, 120, "the executors")
say_workers()

# %% [markdown]
# The address of the master, and how many slots we want. Nothing else. Each worker has started an executor for us on its machine (if they were machines). Now the
# **same code** as above. Who runs it? Let each record say in which process it was: `ProcessHandle.current` is Java's word for "me".

# %%
me = F.java_method(F.lit("java.lang.ProcessHandle"), F.lit("current"))
run(computes(read("unit12b.in8").where("offset < 10")))  # once for nothing again: these are new processes
found: list[Row] = []
told = waits(read("unit12b.in8")).select("partition", me.alias("process"), "work")
waiting = tasks_of(spark, lambda: found.extend(told.collect()))

children = {str(child.pid): name for name, worker in workers.items() for child in worker.children(recursive=True)}
for process, count in sorted(Counter(row.process for row in found).items()):
    print(f"{count} records were read in process {process}, a child of {children[process]}")
print("and this notebook's Python is process", os.getpid())

# %%
from lab_utils.teaching.pictures import task_bars

task_bars(waiting, f"8 tasks that wait, on a cluster with two slots: {span(waiting):.1f} s")

# %% [markdown]
# Each row is an executor, each block a task with its number. The driver hands out one task after the other: whoever is done gets the next. How long did the same work take in the notebook, on eight threads?

# %%
computing = tasks_of(spark, lambda: run(computes(read("unit12b.in8"))))
in_notebook = table[table["tasks"] == 8].set_index("work")["seconds"]
on_workers = {"waits": span(waiting), "computes": span(computing)}
pd.DataFrame({"local[8], seconds": in_notebook, "cluster of two slots, seconds": on_workers}).round(2)

# %% [markdown]
# What waits is slower here: **two slots instead of eight.** What computes takes about as long on a machine of two cores. If yours has more, it is
# slower here too: `local[8]` used them all, two slots use two.
#
# Two workers on *one* machine cannot have more cores than the machine has, whatever they are told. A cluster is for the day when the other worker stands elsewhere. Then it also has the other's memory, disk and
# network, and it may lose a machine. That is what this one is good for: everything but the speed is as in a large one, and we can break it.

# %% [markdown]
# ## 3. Skew
#
# A stage is over when its **last** task is. On a market one symbol has most of the ticks, and with the symbol as key all of them are in one partition. Make such a topic: four partitions,
# 1,600 ticks, three of four are BTC.

# %%
import json
import random

from lab_utils.teaching.probes import Broker
from lab_utils.teaching.spark_tasks import Task

OTHERS = ("ETH", "SOL", "XRP", "ADA", "AAPL", "MSFT", "GOOG", "AMZN", "TSLA")
dice = random.Random(12)
with another_lab(cluster):
    make_topic("unit12b.skewed", 4)
    producer = kafka_utils.make_producer(linger_ms=200)
    for number in range(1600):
        symbol = "BTC" if number % 4 else dice.choice(OTHERS)
        tick = {"symbol": symbol, "size": f"{dice.randrange(1, 1000) / 1000:.3f}"}
        producer.send("unit12b.skewed", key=symbol.encode(), value=json.dumps(tick).encode())
    producer.close()
    held_by = Broker().end_offsets("unit12b.skewed")
print("records of each partition:", held_by)
print("the fullest one has", f"{max(held_by.values()) / sum(held_by.values()):.0%}")

# %%
tasks = tasks_of(spark, lambda: run(waits(read("unit12b.skewed"))))
longest = span(tasks)
task_bars(tasks, f"One partition has most of the ticks: {longest:.1f} s")

# %% [markdown]
# One slot works, the other one has long been out of work. A hundred more workers would not help: **the stage takes as long as its longest task.** When three quarters of the work are in one task,
# you can never be more than 4/3 times as fast as with a single slot, whatever you buy.
#
# Where the skew is in the *reading*, you know the way out already: `minPartitions` cuts the long partition.

# %%
tasks = tasks_of(spark, lambda: run(waits(read("unit12b.skewed", minPartitions="8"))))
task_bars(tasks, f"The same topic with minPartitions=8: {span(tasks):.1f} s", until=longest)

# %% [markdown]
# Often the skew is not in the reading. A window function, a join, a function on all rows of a group: each of them needs all rows of a symbol **in one place**, so Spark sends every row to the task
# that its symbol belongs to. That is a **shuffle**, and `repartition(8, "symbol")` is one in plain sight. However evenly we read, behind it the skew is back:

# %%
ticks = (
    read("unit12b.skewed", minPartitions="8")
    .select(F.from_json(F.col("value").cast("string"), "symbol string, size decimal(38,18)").alias("tick"), "offset")
    .select("tick.*", "offset")
)


def last_stage(rows: DataFrame) -> list[Task]:
    """The tasks behind the shuffle."""
    tasks = tasks_of(spark, lambda: run(rows))
    last = max(task.stage for task in tasks)
    return [task for task in tasks if task.stage == last]


tasks = last_stage(waits(ticks.repartition(8, "symbol")))
task_bars(tasks, f"Behind a shuffle by symbol: {span(tasks):.1f} s", until=longest)

# %% [markdown]
# The remedy is called **salting**: put a small number beside the symbol, and shuffle by both. BTC becomes eight groups, which may go to eight tasks. Which number? One that comes from the row itself, such as its
# offset. Not `rand()`: a task that is tried again would deal out its rows in another way, and rows could be lost or doubled
# ([SPARK-38160](https://github.com/apache/spark/pull/35460) has such a case).

# %%
SALTS = 8
salted = ticks.withColumn("salt", F.col("offset") % SALTS)

tasks = last_stage(waits(salted.repartition(8, "symbol", "salt")))
task_bars(tasks, f"Behind a shuffle by symbol and salt: {span(tasks):.1f} s", until=longest)

# %% [markdown]
# Not perfect, for hashes fall as they like, but far better. What you have now is eight parts of BTC, and somebody must put them together. So an aggregation takes **two steps**: first by symbol and salt,
# then by symbol alone. The second step has few rows: at most eight a symbol. The result is the same to the last digit:

# %% tags=["deterministic"]
direct = ticks.groupBy("symbol").agg(F.sum("size").alias("volume"), F.count("*").alias("ticks"))
parts = salted.groupBy("symbol", "salt").agg(F.sum("size").alias("volume"), F.count("*").alias("ticks"))
both = parts.groupBy("symbol").agg(F.sum("volume").alias("volume"), F.sum("ticks").alias("ticks"))

volumes = {name: sorted(map(tuple, rows.collect())) for name, rows in (("direct", direct), ("in two steps", both))}
print("symbols:", len(volumes["direct"]), "  the same:", volumes["direct"] == volumes["in two steps"])
print("the parts of BTC:", *(row.ticks for row in parts.where("symbol = 'BTC'").orderBy("salt").collect()), "ticks")

# %% [markdown]
# **The trap: salt where none is needed.** A sum need not be salted at all. Look at Spark's plan for `direct`:

# %% tags=["deterministic"]
import re

plan = direct._jdf.queryExecution().sparkPlan().toString()
for line in plan.splitlines():
    if "Aggregate" in line:
        print(re.sub(r"#\d+L?|, output.*", "", line))

# %% [markdown]
# Read from the bottom. `partial_sum`: each task adds up what it has *before* the shuffle, and sends one row a symbol. Spark takes the two steps by itself, wherever results of parts can be put together: sum, count, min,
# max, average. Salting is for work of your own behind a shuffle: a function whose results can be put together, or a join with a table by symbol (that table then needs each of its rows once for each salt).
#
# What can be put together at all? A sum of sums is the sum. For `open`, the first price, the parts need **what they go by**: keep the smallest `(event_time, offset)` of each part with its price, and the first of the
# firsts is the first. Of a bare price nobody knows how early it was. A median of medians is no median, and a window function wants all rows in their order: there no salt helps.

# %% [markdown]
# ## 4. A worker dies
#
# Now break it. A streaming query reads 6,000 ticks, waits two milliseconds in each, and writes which ones it has seen into PostgreSQL of the second lab. The table has no key, so a tick that comes twice is there
# twice. What keeps it right is 06b, section 7: the note on the batch is in the same transaction as its rows.

# %%
from psycopg2.extras import execute_values

from lab_utils import db_utils

SEEN = 6000
with another_lab(cluster):
    make_topic("unit12b.ticks", 4, (str(number).encode() for number in range(SEEN)))
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute("""
            CREATE TABLE unit12b_seen (kafka_partition int, kafka_offset bigint);
            CREATE TABLE unit12b_batches (query_id uuid, batch_id bigint, PRIMARY KEY (query_id, batch_id));
            GRANT SELECT, INSERT ON unit12b_seen, unit12b_batches TO lab_writer
        """)
    writer = db_utils.connect("lab_writer")  # for the query, which writes in a thread of its own
    engine = db_utils.engine()  # for us


def write_seen(batch: DataFrame, batch_id: int) -> None:
    """Add a batch to the table, unless it is in already."""
    query_id = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
    rows = [(row.partition, row.offset) for row in batch.collect()]
    with writer, writer.cursor() as cursor:
        cursor.execute("INSERT INTO unit12b_batches VALUES (%s, %s) ON CONFLICT DO NOTHING", (query_id, batch_id))
        if cursor.rowcount:
            execute_values(cursor, "INSERT INTO unit12b_seen VALUES %s", rows, page_size=1000)


def seen() -> tuple[int, int]:
    """Rows in the table, and how many of them are different ticks."""
    query = "SELECT count(*) AS rows, count(DISTINCT (kafka_partition, kafka_offset)) AS ticks FROM unit12b_seen"
    found = pd.read_sql(query, engine)
    return int(found["rows"][0]), int(found["ticks"][0])


# %% [markdown]
# The query takes 2,000 ticks a batch. When the first batch is in, and a task runs on the executor of worker 1: `kill`, as if somebody pulled the plug. The worker *and* its executor, for both are on that
# machine.

# %%
from datetime import UTC, datetime

from lab_utils.teaching.spark_tasks import ask
from lab_utils.teaching.spark_tasks import tasks as all_tasks

began = datetime.now(UTC)
stream = spark.readStream.format("kafka").options(**kafka("unit12b.ticks", maxOffsetsPerTrigger="2000")).load()
rows = waits(stream).select("partition", "offset", "work")
query = rows.writeStream.foreachBatch(write_seen).option("checkpointLocation", str(folder / "seen")).start()
wait_until(lambda: seen()[0] > 0, 120, "the first batch")

victims = [workers["spark-worker-1"], *workers["spark-worker-1"].children(recursive=True)]
command = next(found for found in (victim.cmdline() for victim in victims) if "--executor-id" in found)
executor_id = command[command.index("--executor-id") + 1]


def works() -> bool:
    """Whether a task runs on the executor that we are going to kill."""
    return any(task.executor == executor_id and task.status == "RUNNING" for task in all_tasks(spark, began))


wait_until(works, 120, "a task on worker 1")
for victim in victims:
    victim.kill()
print("killed: worker 1 and its executor", executor_id, "after", seen()[0], "ticks were in")

# %%
wait_until(lambda: ask_master()["aliveworkers"] == 1, 120, "the master to notice")
say_workers()
wait_until(lambda: seen()[0] >= SEEN, 120, "the other batches")
print()
print("the query runs:", query.isActive)
rows_in_table, ticks_in_table = seen()
missing, doubled = SEEN - ticks_in_table, rows_in_table - ticks_in_table
print("rows in the table:", rows_in_table, "  missing:", missing, "  doubled:", doubled)

# %%
tasks = [task for task in all_tasks(spark, began) if task.status != "RUNNING"]
task_bars(tasks, "One executor is killed, the other one does its work")

# %%
for task in tasks:
    if task.status != "SUCCESS":
        same = [other for other in tasks if (other.stage, other.number) == (task.stage, task.number)]
        print(f"stage {task.stage}, task {task.number} {task.status.lower()}: {task.error[:75]} …")
        print("its attempts were on the executors", *(other.executor for other in same))

# %% [markdown]
# - The **master** noticed at once, because the connection broke. (A machine that falls silent without closing its connections is missed after a minute: `spark.worker.timeout`.)
# - The **driver** lost an executor and with it the task that ran there, the hatched block. It gave that task to the one that is left, a moment later, for it had to notice first. A task may be tried four times (`spark.task.maxFailures`); in
#   `local[…]` once, for what fails in one thread fails in the next.
# - **Nothing is missing and nothing doubled.** The rows of a batch go to the driver, and from there in one transaction; a task that was half done had not written anything.
#
# That last one is not Spark's doing. If the tasks themselves write, as with `format("kafka")`, a task that is tried again writes again what it had written before: at least once.
#
# Bring the worker back. `lab up` starts what is missing, and the master, which owes us a slot, gives us an executor on it:

# %%
with another_lab(cluster):
    lab("up")
wait_until(lambda: ask_master()["coresused"] == 2, 120, "a new executor")
say_workers()
wait_until(lambda: sum(told["isActive"] for told in ask(spark, "/executors")) == 3, 120, "the driver to know it")
print()
for told in ask(spark, "/allexecutors"):
    print(f"{told['id']:7}", "lives" if told["isActive"] else f"is gone: {told.get('removeReason', '')[:60]}")

# %% [markdown]
# ## 5. The driver dies
#
# An executor is replaced by another one. Nobody replaces the driver: it has the plan, it knows which batch is under way, and `foreachBatch` runs in it. With this notebook's driver the
# notebook would be gone. So take another one: `lab stream` of the second lab, the pipeline that you know, is a driver on this cluster too. First make room for it. There are two slots, and we hold them. (A program that gets no slot waits without a word; the master calls it `WAITING`.)

# %%
query.stop()
spark.stop()
writer.close()
engine.dispose()
wait_until(lambda: ask_master()["coresused"] == 0, 120, "our executors to end")
print("programs on the cluster:", len(ask_master()["activeapps"]), "now,", len(ask_master()["completedapps"]), "ended")

# %%
import gzip
import sys

from lab_utils.servers.processes import spawn
from lab_utils.settings import ROOT

with gzip.open(ROOT / "data_samples" / "crypto_ticks.jsonl.gz") as file:
    recorded = [line.strip() for line in file][:6000]


def send_crypto(lines: list[bytes]) -> None:
    """Send ticks to the second lab, as its producer does."""
    producer = kafka_utils.make_producer(linger_ms=50)
    for line in lines:
        producer.send("crypto_topic", key=json.loads(line)["symbol"].encode(), value=line)
    producer.close()


def stored() -> tuple[int, int]:
    """Rows in the lab's table, and how many of them are different ticks."""
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT (kafka_partition, kafka_offset)) FROM crypto_data")
        rows, ticks = cursor.fetchone()
    return rows, ticks


with another_lab(cluster):
    send_crypto(recorded[:2000])
    command = [sys.executable, "-m", "lab_utils.cli", "--state-dir", str(cluster), "stream"]
    driver = spawn(command, folder / "stream.log")
    wait_until(lambda: stored()[0] > 0, 240, "the first rows of lab stream")
    send_crypto(recorded[2000:])
    processes = psutil.Process(driver.pid)
    for process in [processes, *processes.children(recursive=True)]:  # Python, and the Java of the driver
        process.kill()
    driver.wait()
    print("the driver is dead;", stored()[0], "of", len(recorded), "ticks are in the table")

# %% [markdown]
# What becomes of its executors? They see that the driver is gone, and end themselves. What they had computed is of no use without it. And who brings it back? Nobody does. In production that is the
# job of what runs the driver: Kubernetes, systemd, YARN. Here it is you:

# %%
wait_until(lambda: ask_master()["coresused"] == 0, 120, "the master to clear up")
print("programs on the cluster:", len(ask_master()["activeapps"]))
with another_lab(cluster):
    lab("stream", "--once")
    rows_in_table, ticks_in_table = stored()
print("rows in the table:", rows_in_table, "  missing:", len(recorded) - ticks_in_table)

# %% [markdown]
# The new driver has a new plan and new executors, and knows nothing of the old one but its **checkpoint**: which batch was under way, with which offsets. It runs that batch again, and the note in the database says whether it was in
# already. That is all that 06b was about, and it is why a checkpoint must lie where the next driver finds it, which on several machines is not a local disk.
#
# | dies | is lost | goes on |
# |---|---|---|
# | an executor | the tasks that ran there | by itself, elsewhere |
# | a worker | its executors | by itself, where there are slots |
# | the driver | everything but the checkpoint | when somebody starts it again |
# | the master | nothing of what runs while it is away; but no program can start, and no executor is replaced | for new programs, when it is back. The old ones it knows only with `spark.deploy.recoveryMode`; without it, it ends their executors |
#
# We do not need the second lab any more.

# %%
with another_lab(cluster):
    lab("down")

# %% [markdown]
# ## 6. Without batches: real-time mode
#
# More machines do more at once. They do not make a single tick faster. A **micro-batch** is planned, written to the checkpoint, cut into tasks, handed out, committed: all that for one tick, if only one is there. Since
# Spark 4.1 there is another way ([SPARK-53736](https://issues.apache.org/jira/browse/SPARK-53736)): in **real-time mode** the tasks stay. Each reads its partition without end and passes on each record as it comes.
#
# Measure both. Ticks go from a topic to another one, those that have moved by at least a percent, as for an alert. Each tick carries the millisecond in which it was sent, and the broker stamps what comes out
# (`LogAppendTime`). The difference is the way through Spark. All of it happens on one machine, with one clock; between machines you would measure their clocks as well.

# %%
import time

import numpy as np
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

spark = get_spark(**{"spark.master": "local[3]"}, **PAGE)
servers = kafka_server.bootstrap_servers()
for topic in ("unit12b.moves", "unit12b.micro", "unit12b.real", "unit12b.starved"):
    make_topic(topic, 2)


def alerts(ticks: DataFrame) -> DataFrame:
    """The records whose price has moved by a percent or more."""
    tick = F.from_json(F.col("value").cast("string"), "price decimal(20,8), before decimal(20,8)")
    return ticks.where(F.abs(tick["price"] - tick["before"]) * 100 >= tick["before"]).select("key", "value")


def moves() -> DataFrame:
    """The ticks as a stream."""
    return spark.readStream.format("kafka").options(**kafka("unit12b.moves")).load()


def to_kafka(rows: DataFrame, topic: str) -> DataStreamWriter:
    """A writer into a topic."""
    return rows.writeStream.format("kafka").options(**{"kafka.bootstrap.servers": servers, "topic": topic})


def start(name: str, writer: DataStreamWriter, **trigger: str) -> StreamingQuery:
    """Start a query with a checkpoint of its own."""
    return writer.outputMode("update").option("checkpointLocation", str(folder / name)).trigger(**trigger).start()


def send_moves(count: int, run: str) -> None:
    """A hundred a second, to the two partitions in turn."""
    producer = kafka_utils.make_producer(linger_ms=0)
    for number in range(count):
        tick = {"run": run, "partition": number % 2, "price": 103, "before": 100, "sent": time.time_ns() // 1_000_000}
        producer.send("unit12b.moves", partition=number % 2, value=json.dumps(tick).encode())
        time.sleep(0.01)
    producer.close()


def held(topic: str) -> int:
    """How many records a topic has."""
    return sum(kafka_utils.end_offsets([topic]).values())


def latencies(to: str) -> list[int]:
    """The milliseconds of 300 ticks through the query that writes to `to`; some before them warm it up."""
    for count, run in ((100, "warm-up"), (300, to)):
        send_moves(count, run)
        wait_until(lambda: held(to) == held("unit12b.moves"), 120, "all alerts")
    found = [(json.loads(record.value or b""), record.timestamp) for record in Broker().records(to)]
    return [stamp - tick["sent"] for tick, stamp in found if tick["run"] == to]


# %% [markdown]
# First as ever, in micro-batches: `processingTime="0 seconds"` begins the next batch as soon as the last one is done. Then the same query with another trigger. Real-time mode wants `outputMode("update")`.

# %%
waited = {}
running_tasks = {}
for name, to, trigger in (
    ("micro-batches", "unit12b.micro", {"processingTime": "0 seconds"}),
    ("real-time mode", "unit12b.real", {"realTime": "30 seconds"}),
):
    query = start(name, to_kafka(alerts(moves()), to), **trigger)
    waited[name] = latencies(to)
    running_tasks[name] = sum(task.status == "RUNNING" for task in all_tasks(spark))
    query.stop()

table = pd.DataFrame(
    {name: np.percentile(milliseconds, [50, 99], method="inverted_cdf") for name, milliseconds in waited.items()},
    index=["p50, ms", "p99, ms"],
).T
table["tasks that run while no tick comes"] = running_tasks
table

# %%
figure = go.Figure()
for name, milliseconds in waited.items():
    ordered = sorted(max(1, one) for one in milliseconds)  # a logarithm knows no zero
    shares = [100 * number / len(ordered) for number in range(1, len(ordered) + 1)]
    figure.add_scatter(x=ordered, y=shares, name=name, mode="lines", line_shape="hv")
figure.update_layout(LAYOUT, title="How many of 300 alerts were out after …", height=340)
figure.update_xaxes(title="milliseconds", type="log", gridcolor=GRID)
figure.update_yaxes(title="percent", gridcolor=GRID)
figure

# %% [markdown]
# Read it like this: go to 50 percent and look which time the line has there, that is the `p50`, the **median**. Half of the alerts were faster. At 99 percent it is the `p99`: one in a hundred was slower. Who watches a market looks at the
# `p99`.
#
# The right-hand line is a batch and the wait for it. The left-hand one is the way of a single record. (When your machine does something else at the same time, both move to the right.)
#
# What does `"30 seconds"` mean, then? Not how long a tick waits. It is how often Spark writes down how far it is. After a crash it goes on from there, and sends again what had been sent since: real-time mode into Kafka is **at least
# once**, and up to half a minute of it.
#
# ### What it costs: slots
# Look at the last column of the table. The tasks of real-time mode run while nothing comes, one for each partition. Their slots are gone for everybody else, day and night. And when there are **fewer slots than partitions**? Try it: one slot, two
# partitions, two rounds of five seconds (the shortest that is allowed).

# %%
spark.stop()
spark = get_spark(**{"spark.master": "local[1]"})
query = start("starved", to_kafka(alerts(moves()), "unit12b.starved"), realTime="5 seconds")
wait_until(lambda: len(query.recentProgress) >= 2, 120, "two rounds")
copied = Counter(json.loads(record.value or b"")["partition"] for record in Broker().records("unit12b.starved"))
print("the query runs:", query.isActive, "  its error:", query.exception())
for partition in range(2):
    print(f"partition {partition}: {held('unit12b.moves') // 2} ticks, of which {copied[partition]} were looked at")
query.stop()

# %% [markdown]
# **The trap of this mode.** No error, no warning, `isActive` is true, and the ticks of a partition are not looked at. The task of the first partition keeps the only slot until the round is over, and in the next round again. Micro-batches with one slot are slower; they
# leave nothing out. So count: partitions of all real-time queries together ≤ slots, with one to spare for the rest.
#
# ### What it costs: sinks and operators
# Our sink for PostgreSQL is `foreachBatch`, a function on a *batch*. There are no batches now:

# %%
from pyspark.errors import PySparkException


def answer_to(name: str, writer: DataStreamWriter) -> str:
    """What Spark says to a query in real-time mode, without the packages of its classes."""
    try:
        query = start(name, writer, realTime="5 seconds")
        query.awaitTermination(60)
    except PySparkException as error:
        return re.sub(r"org\.apache\.[a-z0-9.]*", "", str(error).split("To bypass")[0].split("exception: ")[-1])
    query.stop()
    return "It runs."


print(answer_to("batches", moves().writeStream.foreachBatch(write_seen)))

# %% [markdown]
# `STREAMING_REAL_TIME_MODE.OPERATOR_OR_SINK_NOT_IN_ALLOWLIST` is the name of the error: there is a list of what is allowed, and `foreachBatch` is not on it. Neither are groups:

# %%
counts = moves().groupBy("key").count().select("key", F.col("count").cast("string").alias("value"))
print(answer_to("counts", to_kafka(counts, "unit12b.starved")))
spark.stop()

# %% [markdown]
# In Spark 4.2, which this lab has, the list is short. **Source:** Kafka. **Sinks:** Kafka, `foreach` (row by row), the console. **Operators:** what looks at one row alone, `select`, `where`, `from_json`, and a join with a small table that does not
# change. `minPartitions` is not for it. Spark 4.3 adds `dropDuplicates` and aggregations; then the tasks behind their shuffle keep slots as well
# ([the guide](https://spark.apache.org/docs/4.3.0/streaming/real-time-mode.html)).
#
# | you want | take |
# |---|---|
# | an alert within milliseconds, from one tick alone | real-time mode, Kafka to Kafka |
# | ticks and candles in a database, each once | micro-batches with `foreachBatch` |
# | what is there now, then end | `availableNow` |
#
# ## 7. Past one machine
#
# Everything in this lab is one machine. What changes when it is many? In the code nothing. There are four settings, in `.env`:
#
# | setting | names | what must be seen to |
# |---|---|---|
# | `LAB_KAFKA_BOOTSTRAP` | brokers elsewhere, your own or a managed service | `advertised.listeners` must be reachable; the lab speaks neither TLS nor SASL |
# | `LAB_POSTGRES_HOST` | a PostgreSQL elsewhere | the roles and their passwords |
# | `LAB_POSTGRES_PASSWORD` | the password of its superuser | needed once, where `lab up` makes the roles and the database |
# | `LAB_SPARK_MASTER` | `spark://host:7077`, `k8s://https://…`, `yarn` | the executors call the driver, so its address must be reachable |
#
# And one that you know already, `LAB_STATE_DIR`: the checkpoints in it must be the same folder for the driver and all executors.
#
# On **Kubernetes** the master is Kubernetes itself: an executor is a pod, and so is the driver. Who starts a dead driver again is for you to say: in `docs/scaling.md` a Deployment does. On **YARN** the master is YARN's ResourceManager. `docs/scaling.md` has the details, and says what of it was tried.
#
# ### A million ticks a second
# You need two numbers, both measured on your machine now: how long a *core* works on one tick, and how long one connection to PostgreSQL takes for one row. First some more ticks; Spark multiplies the recorded hour and writes it into
# Kafka.

# %%
spark = get_spark(**{"spark.master": "local[2]"}, **PAGE)
make_topic("unit12b.many", 4)
hour = spark.read.text(str(ROOT / "data_samples" / "crypto_ticks.jsonl.gz"))
many = hour.crossJoin(spark.range(6))
many.write.format("kafka").option("kafka.bootstrap.servers", servers).option("topic", "unit12b.many").save()
print(f"{held('unit12b.many'):,} ticks")

# %%
FIELDS = "symbol string, currency string, price decimal(38,18), size decimal(38,18), event_time timestamp"
parsed = read("unit12b.many").select(F.from_json(F.col("value").cast("string"), FIELDS).alias("tick")).select("tick.*")
run(parsed.limit(1000))  # once for nothing
tasks = tasks_of(spark, lambda: run(parsed))
core_seconds = sum(task.busy_seconds for task in tasks)
parse = core_seconds / held("unit12b.many")
print(f"a core reads and parses a tick in {parse * 1e6:.1f} microseconds")

# %% [markdown]
# And one connection to PostgreSQL, with the lab's own columns and indexes. `COPY` is the fastest way in:

# %%
import io

from lab_utils.streaming.postgres_sink import tick_columns
from lab_utils.ticks import CRYPTO, field_texts

ROWS = 60_000
ticks_as_text = [field_texts(line) for line in recorded]
lines = io.StringIO()
for number in range(ROWS):
    texts = ticks_as_text[number % len(recorded)]
    print(*(texts.get(name) or "" for name in CRYPTO.line_fields), number % 4, number, sep=",", file=lines)
lines.seek(0)

before = time.perf_counter()
with db_utils.cursor("lab_owner") as cursor:
    cursor.execute(f"CREATE TABLE unit12b_copied (LIKE {CRYPTO.table} INCLUDING ALL)")
    cursor.copy_expert(f"COPY unit12b_copied ({', '.join(tick_columns(CRYPTO))}) FROM STDIN (FORMAT csv)", lines)
copy = (time.perf_counter() - before) / ROWS
print(f"one connection stores a row in {copy * 1e6:.1f} microseconds, so {1 / copy:,.0f} rows a second")
spark.stop()

# %% [markdown]
# The rest is arithmetic:

# %%
import math

RATE = 1_000_000
size = sum(map(len, recorded)) / len(recorded)
print(f"cores that parse:      {math.ceil(RATE * parse):>5}")
print(
    f"partitions:            {math.ceil(RATE * parse):>5}   one for each of these cores; with fewer, minPartitions must cut them"
)
print(f"writers to PostgreSQL: {math.ceil(RATE * copy):>5}   as one connection writes one row at a time")
print(
    f"MB/s into Kafka:       {RATE * size / 1e6:>5.0f}   at {size:.0f} bytes a tick; with three copies it is thrice that"
)

# %% [markdown]
# **What these numbers assume**, and each of it is too kind:
#
# - All partitions are equally full. You have seen section 3: with the symbol as key, ten symbols fill ten partitions at most, and one of them is BTC.
# - The network is free, and nothing else wants the cores: no candles, no broker, no database. Here all of them shared your machine.
# - No spare room. A pipeline that is just fast enough never catches up after a standstill. Twice as much is usual.
# - A writer needs nothing but time. But the lab has **one writer for each query**, however many executors there are: the batch goes through the driver, in one transaction, and that is what makes it all or nothing. Here is
#   where this lab ends first.
#
# What comes behind that writer is in `docs/scaling.md`, in the order in which to try it: fewer rows (candles instead of ticks), a writer for each kind of asset, a writer for each partition with a note for each partition, another database.

# %% [markdown]
# ## What you have learnt
#
# - A query is cut into **tasks**, one for each partition it reads. A **slot** does one at a time. Slots are a setting, cores are not: waiting scales with the first, computing with the second.
# - **Driver, executor, worker, master.** The same code runs on a cluster; another `spark.master` is all.
# - A stage takes as long as its longest task. `minPartitions` helps against skew in reading, salt behind a shuffle, and nothing is needed where Spark adds up parts by itself.
# - Executors and workers may die: their tasks are tried again. The driver may not; its checkpoint brings it back. That nothing is doubled is due to the transaction.
# - **Real-time mode** leaves out the batches: milliseconds, for one-row work from Kafka to Kafka, at least once, with a slot for each partition all the time. Fewer slots, and it leaves out partitions without a word.
# - To plan, measure what one tick costs a core and a writer, and write down what you assumed.
#
# **Next:** the exercises, the last ones of the course. The cell below copies them; open `12b_cluster.ipynb` in the folder `work`.

# %%
lab("exercise", "start", "12b")
