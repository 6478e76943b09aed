# The lesson of unit 06a. Build: lab build

# %% [markdown]
# # 06a Writing the streaming query
#
# **Goal.** You read a topic with Spark, first once and then as a stream with the same code. You know what each kind of broken record does
# to a query, stop a query and see it go on where it stopped, and read from its own report how it is doing.
#
# About 45 minutes. You need Python and units 01 and 02; you need not know Spark. Run each cell with Shift+Enter and read what it shows
# before you go on. The first cell begins the lesson anew, and removes what an earlier run made. Nothing here can break the lab: `lab reset
# 06a` in a terminal removes what this unit made, and puts a fresh copy of its exercises into `work/` (yours is kept beside it).

# %% [markdown]
# ## Where we are
#
# The producers have done their work: ticks lie in a topic. This unit is about the next station, the program that takes them out of the
# topic and makes rows of them. The next cell starts the servers, and Spark, which takes ten seconds or so.

# %%
from lab_utils.streaming.session import get_spark
from lab_utils.teaching import clean_slate, lab

lab("up")
spark = get_spark()
for query in spark.streams.active:  # those of an earlier run of this notebook
    query.stop()
folder = clean_slate("06a")

# %%
from lab_utils.teaching.pictures import pipeline_map

pipeline_map(here="spark")

# %% [markdown]
# **Spark** is an engine for tables. You say which table you want, as SQL or in Python; it makes a plan, cuts the work into **tasks**, and
# runs them side by side, on one machine or on hundreds. Its heart is a Java process. `pyspark` is a remote control for it: no row of yours
# passes through Python unless you ask for it.
#
# A `SparkSession`, by custom named `spark`, is your connection to it. `get_spark()` is the lab's way to make one. It is
# `SparkSession.builder.config(…).getOrCreate()` with settings that suit a notebook:

# %% tags=["deterministic"]
for name in (
    "spark.master",
    "spark.sql.session.timeZone",
    "spark.sql.shuffle.partitions",
    "spark.sql.ansi.enabled",
):
    print(f"{name:30}", spark.conf.get(name))
print("the connector for Kafka:      ", "spark-sql-kafka-0-10" in str(spark.conf.get("spark.jars")))

# %% [markdown]
# - `local[2]`: no cluster. All of it is one Java process on this machine, which works on two tasks at a time.
# - Times are shown in **UTC**, whatever the clock of your machine says.
# - `shuffle.partitions`: into how many parts rows are dealt out when they must be grouped. The default is 200, made for clusters; on a
#   laptop it makes every step slow.
# - `ansi.enabled`: section 5 is about it. It is on by default since Spark 4.
# - The **connector**, a library by which Spark reads topics, must be there when the Java process starts. This is why each notebook begins
#   with `get_spark()`.

# %% [markdown]
# ## 1. A topic to read
#
# We put the first 600 ticks of the recorded hour into a topic with two partitions, keyed by their symbol. You know every line of this from
# units 01 and 02.

# %% tags=["deterministic"]
import gzip
import json

from kafka import KafkaAdminClient, KafkaProducer

from lab_utils.servers import kafka_server
from lab_utils.settings import ROOT

servers = kafka_server.bootstrap_servers()
TICKS = "unit06a.ticks"
admin = KafkaAdminClient(bootstrap_servers=servers)
if TICKS not in admin.list_topics():
    admin.create_topics({TICKS: {"num_partitions": 2, "replication_factor": 1}})
admin.wait_for_topics([TICKS])

with gzip.open(ROOT / "data_samples" / "crypto_ticks.jsonl.gz") as recording:
    recorded = recording.read().splitlines()
producer = KafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)


def send(lines: list[bytes]) -> None:
    """Put ticks into the topic, and wait until they are there."""
    for line in lines:
        producer.send(TICKS, key=json.loads(line)["symbol"].encode(), value=line)
    producer.flush()


send(recorded[:600])
print(recorded[0].decode())

# %% [markdown]
# ## 2. Read it once
#
# Begin with the simple case: all that is in the topic now, as one table. Spark calls this a **batch**.

# %% tags=["deterministic"]
records = spark.read.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", TICKS).load()
records.printSchema()

# %% [markdown]
# That took no time, for nothing was read. A `DataFrame` is not data but a **plan**: "what comes out of this topic". Spark looked only for
# the names and types of the columns. Work begins when you ask for rows, or for their number: with an **action** such as `count()`,
# `collect()` or `toPandas()`. This is called **lazy**, and has a side you will meet soon: a mistake in the plan shows where the rows are
# fetched, not where you wrote it.
#
# The columns are what you know about a record: `key` and `value` are bytes, its place is `partition` and `offset`, and `timestamp` is when
# it was sent. `toPandas()` fetches the rows. Limit them first: it brings all of them to Python.

# %% tags=["deterministic"]
from pyspark.sql import functions as F

print(records.count(), "records")
records.select(
    "partition", "offset", F.col("key").cast("string"), F.substring(F.col("value").cast("string"), 1, 60).alias("value")
).orderBy("partition", "offset").limit(3).toPandas()

# %% [markdown]
# `F.col("key")` is not a key but again a plan, "the column key"; `.cast("string")` is "the same as text". The functions in `F` are those of
# SQL. What you can say in Python you can say in SQL, and both become the same plan. `{records}` stands for the DataFrame that is passed by
# this name:

# %% tags=["deterministic"]
spark.sql(
    """
    SELECT partition, count(*) AS records, min(offset) AS first, max(offset) AS last
    FROM {records}
    GROUP BY partition
    ORDER BY partition
    """,
    records=records,
).toPandas()

# %% [markdown]
# A batch may also begin at a place of your choice. `startingOffsets` is a text in JSON: topic → partition → offset. It must name every
# partition of the topic; `-2` stands for its beginning. `endingOffsets` sets the end in the same way.

# %% tags=["deterministic"]
places = json.dumps({TICKS: {"0": 230, "1": 355}})
print(places)
tail = (
    spark.read.format("kafka")
    .option("kafka.bootstrap.servers", servers)
    .option("subscribe", TICKS)
    .option("startingOffsets", places)
    .load()
)
print("from there on:", tail.count(), "records")

# %% [markdown]
# ## 3. From bytes to columns
#
# `from_json` takes a text and a **schema**: the names and types of the fields that you want. It gives a **struct**, one column with columns
# inside; `"tick.*"` unpacks it. Fields that the schema does not name are left out.
#
# Which type for a price? Here are two awkward prices, written as JSON numbers, read with four types. Guess first: which of the four keeps
# all digits of both?

# %% tags=["deterministic"]
prices = spark.createDataFrame(
    [('{"price": 0.000000012345}',), ('{"price": 1234567890.123456789012345678}',)], "text string"
)
for type_name in ("double", "string", "decimal(20,8)", "decimal(38,18)"):
    read = prices.select(F.from_json("text", f"price {type_name}").alias("tick")).select("tick.price")
    print(f"{type_name:16}", *(f"{row.price!s:>32}" for row in read.collect()))

# %% [markdown]
# Only the last, `decimal(38,18)`: 38 digits, 18 of them behind the point. (`1.2345000000E-8` is the exact number, in another spelling.)
#
# - A `double` has some 16 digits. That is the float of unit 02, and it loses the same digits.
# - `string` is the surprise: Spark reads a JSON number as a double first, and then makes text of it. The digits are lost on the way. Text
#   that stands in quotes in the JSON is kept as it is.
# - `decimal(20,8)` **rounds**, without a word.
#
# And which type for a time? Here is the text that we expect, and a sender who writes milliseconds since 1970 instead. `from_json` makes a
# `timestamp` of each, and a text (`.t` takes the field `t` out of the struct):

# %% tags=["deterministic"]
times = spark.createDataFrame([('{"t": "2026-11-02T14:30:00.120Z"}',), ('{"t": 1793629800120}',)], "text string")
times.select(
    "text",
    F.from_json("text", "t timestamp").t.cast("string").alias("as_timestamp"),
    F.from_json("text", "t string").t.try_cast("timestamp").alias("as_text_first"),
).toPandas()

# %% [markdown]
# Spark takes the number for **seconds**, and lands in the year 58807. As text first it is what it should be: not a time that we know, hence
# `NULL`, which pandas shows as `NaT`. (`try_cast` comes in section 5.) So **numbers as decimal, times as text**. Now the function that the
# rest of this lesson uses. DataFrame in, DataFrame out, and nothing else:

# %%
from pyspark.sql import DataFrame

SCHEMA = "symbol string, price decimal(38,18), size decimal(38,18), event_time string, corrupt string"


def parse(records: DataFrame) -> DataFrame:
    """The fields of each record, and where it lies."""
    tick = F.from_json(F.col("value").cast("string"), SCHEMA, {"columnNameOfCorruptRecord": "corrupt"})
    return records.select("partition", "offset", "value", tick.alias("tick")).select(
        "partition",
        "offset",
        "value",
        "tick.symbol",
        "tick.price",
        "tick.size",
        F.col("tick.event_time").try_cast("timestamp").alias("event_time"),
        "tick.corrupt",
    )


parse(records).drop("value").orderBy("partition", "offset").limit(4).toPandas()

# %% [markdown]
# The column `corrupt` is a place for the text of what `from_json` could not read. It is empty here, for these are good records. On to the
# others.

# %% [markdown]
# ## 4. A bad day
#
# `data_samples/awkward_messages.jsonl` holds messages that a topic gets on a bad day. We send fifteen of them, with the name of the case as
# the key.

# %%
import base64
from typing import Any

AWKWARD = "unit06a.awkward"
CASES = [
    *("good-crypto", "quoted-price", "many-decimals", "not-json", "cut-json", "array", "price-text", "price-nan"),
    *("size-null", "empty", "tombstone", "api-error", "trailing-text", "too-many-decimals", "negative-price"),
]


def value_of(message: dict[str, Any]) -> bytes | None:
    """The bytes of a message; None for a tombstone, a record without a value."""
    if "value_base64" in message:
        return base64.b64decode(message["value_base64"])
    return None if message["value"] is None else message["value"].encode()


lines = (ROOT / "data_samples" / "awkward_messages.jsonl").read_text(encoding="utf-8").splitlines()
messages = {message["case"]: message for message in map(json.loads, lines)}

if AWKWARD not in admin.list_topics():
    admin.create_topics({AWKWARD: {"num_partitions": 1, "replication_factor": 1}})
admin.wait_for_topics([AWKWARD])
for case in CASES:
    producer.send(AWKWARD, key=case.encode(), value=value_of(messages[case]))
producer.flush()
for case in CASES:
    print(f"{case:18} {str(messages[case]['value'])[:90]}")

# %% [markdown]
# Now read them with the same schema. We keep the key and the struct itself, which `parse` does not hand on. **Guess
# first:** how many of the fifteen make the cell fail?

# %% tags=["deterministic"]
bad_day = spark.read.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", AWKWARD).load()
tick = F.from_json(F.col("value").cast("string"), SCHEMA, {"columnNameOfCorruptRecord": "corrupt"})
seen = bad_day.select(F.col("key").cast("string").alias("case"), tick.alias("tick")).select(
    "case",
    F.col("tick").isNull().alias("no struct"),
    "tick.symbol",
    F.col("tick.price").cast("string").alias("price"),
    F.col("tick.size").cast("string").alias("size"),
    F.col("tick.corrupt").isNotNull().alias("corrupt filled"),
)
seen.toPandas()

# %% [markdown]
# None. `from_json` works in a mode named `PERMISSIVE`: whatever it cannot read becomes `NULL` (pandas writes `None`). Look at the lines one
# by one:
#
# | case | what came of it |
# |---|---|
# | `quoted-price` | taken, with all its digits: a decimal may stand in quotes |
# | `not-json`, `cut-json`, `array` | every field `NULL`, `corrupt` filled |
# | `price-text` (`"abc"`), `price-nan` | **that field alone** is `NULL`, the others are kept; `corrupt` filled |
# | `empty`, `tombstone` | there is not even a struct, and so **`corrupt` is empty as well** |
# | `api-error` | JSON, but of something else: every field `NULL`, and **not** corrupt |
# | `trailing-text` | a good object with rubbish behind it: taken, and **not** corrupt |
# | `too-many-decimals` | rounded, here to zero, and **not** corrupt |
# | `negative-price` | taken: to JSON it is a number like any other |
# | the others | taken, as they should be |
#
# So there are three things to look at, and each catches what the others let pass: the struct, the column `corrupt`, and the fields that you
# cannot do without. The size is none of these: `size-null` is a sound tick.
#
# The type matters too. With `size int`, the trade of 0.0125 coins becomes `NULL`. (`spark.range(1)` is a DataFrame with one row, and
# `F.lit` a value that is the same in each row.)

# %% tags=["deterministic"]
one = '{"symbol": "BTC", "size": 0.0125}'
row = spark.range(1).select(F.from_json(F.lit(one), "symbol string, size int").alias("tick")).collect()[0]
print(one, "→", row.tick)

# %% [markdown]
# **The trap of this unit, first half.** Nothing of this makes a noise. Somebody without the column `corrupt` asks for an average:

# %% tags=["deterministic"]
parse(bad_day).select(
    F.count("*").alias("records"),
    F.count("price").alias("with a price"),
    F.avg("price").cast("double").alias("average"),
).toPandas()

# %% [markdown]
# Eight of fifteen records have vanished from the average, because `avg` skips `NULL`; of the seven that are left one has a negative price,
# and one a price that was rounded to zero. The result looks like any other number.

# %% [markdown]
# ## 5. ANSI mode: the opposite mistake
#
# `from_json` forgives everything. A plain `cast` rounds as silently, and forgives nothing else. Since Spark 4 it works by the rules of standard SQL, **ANSI mode**: what
# cannot be done is an error. For each of these there is a sister that gives `NULL`:

# %% tags=["deterministic"]
from pyspark.errors import PySparkException


def attempt(expression: str) -> str:
    """The value of an expression in SQL, or the name of the error."""
    try:
        return str(spark.sql(f"SELECT {expression}").collect()[0][0])
    except PySparkException as error:
        return f"error: {error.getCondition()}"


for strict, forgiving in [
    ("cast('abc' AS double)", "try_cast('abc' AS double)"),
    ("cast(300 AS tinyint)", "try_cast(300 AS tinyint)"),
    ("to_timestamp('half past two')", "try_to_timestamp('half past two')"),
    ("1 / 0", "try_divide(1, 0)"),
    ("array(10, 20)[5]", "get(array(10, 20), 5)"),
]:
    print(f"{strict:31}{attempt(strict):36}{forgiving:37}{attempt(forgiving)}")

# %% [markdown]
# In a report that runs once, the error is a good thing: somebody reads it and mends the data. In a query that runs for months one record of
# somebody else must not end it. In a stream, therefore, always **`try_…`, and then look for the `NULL`**. What "ends it" means we shall see
# in section 9.

# %% [markdown]
# ## 6. Valid or not
#
# Forgive while parsing, judge afterwards. A first try: valid is what has a price above zero, the rest is not. **Guess
# first:** how many of the fifteen are good, and how many are not?

# %% tags=["deterministic"]
ticks = parse(bad_day)
good = F.col("price") > 0
print("all     ", ticks.count())
print("good    ", ticks.where(good).count())
print("not good", ticks.where(~good).count())

# %% [markdown]
# 5 and 2 are not 15. Where are the eight others? A comparison with `NULL` is neither true nor false but `NULL`, and so is its negation;
# `where` keeps only what is **true**. A record without a price is in neither half. It is lost, without a word.
#
# The way out is a column that is never in doubt. `F.when` gives a text where its condition is true, and `NULL` otherwise; `F.coalesce`
# takes the first of its arguments that is not `NULL`. Together they give the reason why a record is bad, and `isNull()` is always true or
# false:

# %% tags=["deterministic"]
reason = F.coalesce(
    F.when(F.col("corrupt").isNotNull(), "corrupt"),
    F.when(F.col("symbol").isNull(), "no symbol"),
    F.when(F.col("price").isNull(), "no price"),
    F.when(F.col("price") <= 0, "price not above zero"),
    F.when(F.col("event_time").isNull(), "no event_time"),
)
judged = ticks.withColumn("reason", reason)
valid, rejected = judged.where(F.col("reason").isNull()), judged.where(F.col("reason").isNotNull())
print("valid", valid.count(), "and rejected", rejected.count())
rejected.groupBy("reason").count().orderBy("reason").toPandas()

# %% [markdown]
# 5 and 10 are 15. The rejected ones go to a table of **dead letters**, as in unit 02: the raw bytes (that is what the column `value` was
# kept for), the place, and the reason.
#
# One of the five **valid** ones is `trailing-text`. To find it takes more than `from_json`; the lab does it in `lab_utils/streaming/transforms.py`, which
# judges each of the awkward messages as the plain Python code does.

# %% [markdown]
# ## 7. The same, as a stream
#
# Until now the table ended where the topic ended. A **stream** is the table that goes on. Change `read` to `readStream`, and look for what
# else changes:

# %% tags=["deterministic"]
stream = (
    spark.readStream.format("kafka")
    .option("kafka.bootstrap.servers", servers)
    .option("subscribe", TICKS)
    .option("startingOffsets", "earliest")
    .load()
)
stream_of_ticks = parse(stream).select("partition", "offset", "symbol", "price", "size", "event_time")
print("the columns are the same:", stream.columns == records.columns)
print("isStreaming:", records.isStreaming, "and", stream_of_ticks.isStreaming)
try:
    stream_of_ticks.count()
except PySparkException as error:
    print(str(error).split(";")[0])

# %% [markdown]
# - **`parse` is the same function.** It was written for a DataFrame, and a stream is one. So one can write and test a query on a batch,
#   where each result is there at once.
# - `startingOffsets`: a batch begins at the `earliest` record unless told otherwise, a stream at the **`latest`**. One that is started
#   without this option sees nothing of what is there already.
# - `count()` is refused: of something that does not end there is no number. A stream is not asked, it is **started**: with `writeStream`,
#   which says where the rows go (the **sink**), and `start()`, which gives a **query** that runs in the background.

# %%
query = stream_of_ticks.writeStream.format("memory").queryName("unit06a_rows").trigger(availableNow=True).start()
query.awaitTermination()
print("is active:", query.isActive)

# %% tags=["deterministic"]
print(spark.table("unit06a_rows").count(), "rows")
spark.table("unit06a_rows").orderBy("partition", "offset").limit(3).toPandas()

# %% [markdown]
# The sink `memory` keeps the rows in a table of the session, named as the query is. It is for looking, not for work. Other sinks:
#
# | `format(…)` | for |
# |---|---|
# | `memory` | lessons and tests: a table in the memory of the Java process |
# | `noop` | measuring: all the work is done, and the rows are thrown away |
# | `console` | programs: prints the rows of each batch. In a notebook they land in the terminal behind it |
# | `parquet`, `json`, `csv` | files in a folder |
# | `kafka` | another topic |
# | `foreachBatch(…)` | whatever Python can do with the rows: a database, in unit 06b |

# %% [markdown]
# ## 8. Triggers
#
# Spark does not take records one by one but in **micro-batches**: it asks the broker where the topic ends now, reads up to there, writes
# the result, and asks again. The **trigger** says when.
#
# | `trigger(…)` | when is the next batch? |
# |---|---|
# | none | at once, when the one before is done |
# | `processingTime="2 seconds"` | every two seconds |
# | `availableNow=True` | until all is read that was there at the start, then the query **ends by itself** |
#
# `availableNow` makes of a stream a job that runs now and then. It is also what a notebook wants. To see the other kind, start a query that
# stays. `processAllAvailable()` waits until it has read what is there; it is for tests, a real query needs no one to wait for it.

# %% tags=["deterministic"]
live = (
    stream_of_ticks.writeStream.format("memory")
    .queryName("unit06a_live")
    .trigger(processingTime="200 milliseconds")
    .start()
)
live.processAllAvailable()
print("rows:", spark.table("unit06a_live").count())

send(recorded[600:620])
live.processAllAvailable()
print("rows, with 20 new ticks:", spark.table("unit06a_live").count())

live.stop()
send(recorded[620:640])
print("rows, after it was stopped:", spark.table("unit06a_live").count())

# %% [markdown]
# ## 9. Checkpoints
#
# A program that runs for months is stopped now and then, and sometimes it stops by itself. How does it know where to go on? You saw in unit
# 01 that a consumer commits its offsets to the broker. Spark does not: it keeps them in a folder of its own, the **checkpoint**. We write
# the rows to files this time, for the table in memory would not survive. They are in the format **Parquet**, which is made for tables: it
# keeps the names and types of the columns.


# %%
from pyspark.sql.streaming.query import StreamingQuery


def run_once(ticks: DataFrame, checkpoint: str, rows: str) -> StreamingQuery:
    """Write all that is new to files, and return when it is done."""
    query = (
        ticks.writeStream.format("parquet")
        .option("path", str(folder / rows))
        .option("checkpointLocation", str(folder / checkpoint))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    return query


def report(query: StreamingQuery, rows: str) -> None:
    """What a query did, and how many rows there are in all."""
    batches = {progress["batchId"]: progress["numInputRows"] for progress in query.recentProgress}
    count = spark.read.parquet(str(folder / rows)).count()
    print(f"batch → records: {batches}    rows in the files: {count}")


# %% tags=["deterministic"]
report(run_once(stream_of_ticks, "checkpoint", "rows"), "rows")

send(recorded[640:700])
report(run_once(stream_of_ticks, "checkpoint", "rows"), "rows")
report(run_once(stream_of_ticks, "checkpoint", "rows"), "rows")

# %% [markdown]
# Three queries, one after the other, each started from nothing. The first read all 640 records. The second read the 60 that came meanwhile,
# and nothing twice. The third found nothing to do. (The number it reports with no records is the batch that it *would* have made.)
#
# What is in the folder?

# %% tags=["deterministic"]
checkpoint = folder / "checkpoint"
for file in sorted(checkpoint.rglob("*")):
    if file.is_file() and file.suffix != ".crc":  # a checksum, beside each file
        print(file.relative_to(folder))
print()
print("metadata: ", sorted(json.loads((checkpoint / "metadata").read_text())))
print("offsets/0:", (checkpoint / "offsets" / "0").read_text().splitlines()[-1])
print("offsets/1:", (checkpoint / "offsets" / "1").read_text().splitlines()[-1])
print("commits/1:", (checkpoint / "commits" / "1").read_text().splitlines()[-1])

# %% [markdown]
# - `metadata` holds the **id of the query**. It stays when the query is started again.
# - `offsets/1` is the plan of batch 1, written **before** the work: up to which offset it reads. It begins where batch 0 ended.
# - `commits/1` says that batch 1 is done, and is written **after** the work. (What a watermark is comes in unit 06b.)
# - `sources/0/0` says where the first query began.
#
# Seen as a picture:

# %%
from lab_utils.teaching.pictures import checkpoint_bars

checkpoint_bars(checkpoint)

# %% [markdown]
#
# A batch with a plan and no commit was interrupted: the next start does it again, **with the same offsets**. So no record is left out, and
# what is written may be written twice. Whether that makes double rows depends on the sink. The one for files keeps book, and does not
# double. What a database does, you will see in unit 06b.
#
# Three rules follow:
#
# 1. **One checkpoint, one query.** Two queries in one folder break each other.
# 2. **A new checkpoint is a new beginning**: the query starts at `startingOffsets` and reads everything again. For a checkpoint that is
#    there, `startingOffsets` means nothing.
# 3. **A checkpoint belongs to its topic.** When the topic is deleted and made anew, its offsets are those of something else. `lab reset`
#    removes both together.

# %% [markdown]
# ### The trap of this unit, second half
#
# One sender writes `"abc"` for a price. A colleague takes the price out of the text with `get_json_object`, and uses a plain `cast`. We let
# this query read all that there is; then come that record, and sixty good ones behind it.

# %% tags=["deterministic"]
from pyspark.errors import StreamingQueryException

text_of_price = F.get_json_object(F.col("value").cast("string"), "$.price")
careless = stream.select("partition", "offset", text_of_price.cast("decimal(38,18)").alias("price"))
careful = stream.select("partition", "offset", text_of_price.try_cast("decimal(38,18)").alias("price"))

report(run_once(careless, "poisoned", "prices"), "prices")
send([messages["price-text"]["value"].encode(), *recorded[700:760]])

for start in ("first", "second", "third"):
    try:
        run_once(careless, "poisoned", "prices")
    except StreamingQueryException as error:
        print(f"{start} start:", "CAST_INVALID_INPUT" if "[CAST_INVALID_INPUT]" in str(error) else error)
for kind in ("offsets", "commits"):  # by number: as text, 9 comes behind 10
    print(f"newest in {kind}:", max(int(file.name) for file in (folder / "poisoned" / kind).glob("[0-9]*")))

# %% [markdown]
# The query ends, and ends again at **every** restart: batch 1 is planned, must be done with the same offsets, and cannot be. Whoever
# restarts it by a script restarts it forever. The sixty good ticks do not come through, nor do all that follow. This is called a **poison
# record**. In the picture, what is stuck is hatched, in both partitions, for a batch is done as a whole or not at all:

# %%
checkpoint_bars(folder / "poisoned")

# %% [markdown]
# The cure is in the code. With `try_cast`, **on the same checkpoint**, it goes on where it stood:

# %% tags=["deterministic"]
report(run_once(careful, "poisoned", "prices"), "prices")
prices_of_all = spark.read.parquet(str(folder / "prices"))
print("without a price:", prices_of_all.where("price IS NULL").count())

# %% [markdown]
# Both batches and all records are there. The bad one has no price, and now it is for us to look for it. (Do not take this
# query for your own, it is here for the cast: `get_json_object` makes text of a number by way of a double, and loses digits
# as in section 3. For prices stay with `from_json`.)

# %% [markdown]
# ## 10. How is it doing?
#
# A query reports on each batch. `lastProgress` is the newest report, `recentProgress` the last hundred. To have something to look at, we
# read the topic again in slices: with `maxOffsetsPerTrigger` a batch takes so many records at most.

# %%
slices = (
    spark.readStream.format("kafka")
    .option("kafka.bootstrap.servers", servers)
    .option("subscribe", TICKS)
    .option("startingOffsets", "earliest")
    .option("maxOffsetsPerTrigger", 80)
    .load()
)
measured = parse(slices).writeStream.format("noop").queryName("unit06a_measured").trigger(availableNow=True).start()
measured.awaitTermination()
reports = [json.loads(progress.json) for progress in measured.recentProgress]
print(len(reports), "batches. The second one:")
print(json.dumps(reports[1], indent=1))

# %% [markdown]
# What to read in it:
#
# - `numInputRows`: the records of this batch. `inputRowsPerSecond` is how fast they came, `processedRowsPerSecond` how fast it would go
#   without a pause. When the first is larger for long, the query falls behind.
# - `durationMs`: where the time went, in milliseconds. `latestOffset` asks the broker, `queryPlanning` makes the plan, `walCommit` writes
#   the file in `offsets`, `addBatch` is the work itself, and `commitOffsets` writes the file in `commits`. `triggerExecution` is all of it.
# - `sources`: for each topic and partition where the batch began (`startOffset`), where it ended (`endOffset`), and where the partition
#   ended when Spark looked (`latestOffset`). The difference of the last two is the **lag** of unit 01. With `availableNow` Spark looks
#   once, at the start.
# - `metrics` has the same lag over all partitions: the mean, the largest, the smallest.
# - `stateOperators`: what the query must remember from batch to batch. Ours remembers nothing. Unit 06b has one that does.
#
# `progress.json` is this text. `query.lastProgress["sources"]` gives the same as Python objects, but there the offsets are texts.
#
# Seen as a picture, first the time of each batch:

# %%
import plotly.graph_objects as go

LOOK = {
    "height": 340,
    "margin": {"l": 10, "r": 10, "t": 50, "b": 40},
    "paper_bgcolor": "rgba(0,0,0,0)",  # see-through, for light and dark notebooks
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": "#8a8f98"},
}
GRID = {"gridcolor": "rgba(138,143,152,0.25)", "zeroline": False}
STEPS = {
    "latestOffset": "#8a8f98",
    "queryPlanning": "#b05cc6",
    "walCommit": "#e0803a",
    "addBatch": "#3b82c4",
    "commitOffsets": "#2e9e5b",
}
numbers = [each["batchId"] for each in reports]

figure = go.Figure()
for step, colour in STEPS.items():
    figure.add_bar(
        x=numbers, y=[each["durationMs"].get(step, 0) for each in reports], name=step, marker={"color": colour}
    )
figure.update_layout(**LOOK, title="Where the time of a batch goes", barmode="stack")
figure.update_xaxes(title="batch", dtick=1, **GRID)
figure.update_yaxes(title="milliseconds", **GRID)
figure

# %% [markdown]
# The first batch is often the slowest: a query that starts has things to set up. What of the rest is the price of a batch, and what
# that of its 80 records? Set `maxOffsetsPerTrigger` to 160 and run both cells again: half the batches, and each takes hardly longer.
# That is why many small batches are slower than few large ones.
#
# And how far behind was it?

# %%
figure = go.Figure()
for partition, colour in (("0", "#3b82c4"), ("1", "#e0803a")):
    behind = [
        source["latestOffset"][TICKS][partition] - source["endOffset"][TICKS][partition]
        for each in reports
        for source in each["sources"]
    ]
    figure.add_scatter(x=numbers, y=behind, mode="lines+markers", name=f"partition {partition}", line={"color": colour})
figure.update_layout(**LOOK, title="Records still to be read, after each batch")
figure.update_xaxes(title="batch", dtick=1, **GRID)
figure.update_yaxes(title="records", rangemode="tozero", **GRID)
figure

# %% [markdown]
# Spark shares out the 80 records by how much each partition has left, so that both come to their end together. (It rounds
# the parts down: hence 79 in the report above.) A line that **rises** is the
# one to worry about: more comes in than goes out.
#
# Clean up:

# %%
for query in spark.streams.active:
    query.stop()
producer.close()
admin.close()
print("active queries:", len(spark.streams.active))

# %% [markdown]
# ## What you have learnt
#
# - A DataFrame is a plan. Rows move when an action asks for them, and mistakes show there.
# - The same function, DataFrame to DataFrame, works on a batch and on a stream. Write it on a batch.
# - Numbers as `decimal(38,18)`, times as text and then `try_cast`.
# - `from_json` turns what it cannot read into `NULL` and goes on. Look at the struct, at `corrupt`, and at the fields you need.
# - A plain `cast` ends a stream, and again at every restart. In a stream: `try_…`.
# - A comparison with `NULL` is neither true nor false. A **reason** that is `NULL` or not divides records without losing one.
# - A batch starts at the earliest record, a stream at the latest, unless you say so.
# - The checkpoint remembers: planned before, committed after. One checkpoint, one query.
# - `lastProgress`: how many, how long, and how far behind.
#
# **Next:** the exercises. The cell below copies them; open `06a_streaming.ipynb` in the folder `work`.

# %%
lab("exercise", "start", "06a")
