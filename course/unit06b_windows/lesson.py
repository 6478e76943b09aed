# The lesson of unit 06b. Build: lab build

# %% [markdown]
# # 06b Windows, watermarks and the database
#
# **Goal.** You turn a stream of ticks into candles. You know what happens to a tick that comes late, and when a candle
# is given out. You write both to PostgreSQL, and a crash at the worst moment changes nothing.
#
# About 45 minutes. You come from 06a: you can read a topic, parse it, and start a query with a checkpoint. The first cell
# begins the lesson anew, and removes what an earlier run made. Nothing here can break the lab: `lab reset 06b` in a terminal
# removes what this unit made, and puts a fresh copy of its exercises into `work/` (yours is kept beside it).

# %% [markdown]
# ## Where we are
#
# At the fourth station, looking at the fifth: Spark reads from Kafka, and what it makes of it goes to PostgreSQL.

# %%
from lab_utils.streaming.session import get_spark
from lab_utils.teaching import clean_slate, lab

lab("up")
spark = get_spark()
for query in spark.streams.active:  # of an earlier run of this notebook
    query.stop()
spark.catalog.clearCache()
folder = clean_slate("06b")
# %%
from lab_utils.teaching.pictures import pipeline_map

pipeline_map(here="spark")

# %% [markdown]
# Begin with what 06a ended with. The recorded hour of five coins goes into a topic, and is read and parsed. Records
# that are no ticks are left out here; 06a shows where they go.

# %%
import gzip
import json

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lab_utils import kafka_utils
from lab_utils.servers import kafka_server
from lab_utils.settings import ROOT

TICKS, STEPS = "unit06b.ticks", "unit06b.steps"
servers = kafka_server.bootstrap_servers()
with kafka_utils.admin() as admin:
    for topic, partitions in ((TICKS, 3), (STEPS, 1)):
        if topic not in admin.list_topics():
            admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
    admin.wait_for_topics([TICKS, STEPS])

producer = kafka_utils.make_producer(linger_ms=500)  # what is sent within half a second goes together
with gzip.open(ROOT / "data_samples" / "crypto_ticks.jsonl.gz") as lines:
    for line in lines:
        producer.send(TICKS, key=json.loads(line)["symbol"].encode(), value=line.strip())
producer.flush()

FIELDS = "symbol string, currency string, price decimal(38,18), size decimal(38,18), event_time string"


def parse_ticks(records: DataFrame) -> DataFrame:
    """The valid ticks among Kafka records, with the place of each in Kafka and the time when it was sent."""
    parsed = records.select(
        F.from_json(F.col("value").cast("string"), FIELDS).alias("tick"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("timestamp").alias("sent_time"),
    )
    ticks = parsed.select("tick.*", "kafka_partition", "kafka_offset", "sent_time")
    ticks = ticks.withColumn("event_time", F.col("event_time").try_cast("timestamp"))
    return ticks.where("symbol IS NOT NULL AND currency IS NOT NULL AND price > 0 AND event_time IS NOT NULL")


kafka = {"kafka.bootstrap.servers": servers, "startingOffsets": "earliest"}
ticks = parse_ticks(spark.read.format("kafka").options(**kafka, subscribe=TICKS).load()).cache()
print(ticks.count(), "ticks")

# %% [markdown]
# `read`, not `readStream`: a **batch**, all that is there now. `cache` keeps its rows in memory, for we shall ask for
# them often. Everything in sections 1 and 2 works on a stream in the same words, and on a batch one sees at once what
# it does. A short way to look at rows:

# %%
from decimal import Decimal

import pandas as pd


def look(frame: DataFrame, rows: int = 6) -> pd.DataFrame:
    """The first rows, prices as floats: good enough for looking, never for calculating."""
    return frame.limit(rows).toPandas().map(lambda value: float(value) if isinstance(value, Decimal) else value)


look(ticks.orderBy("event_time"))

# %% [markdown]
# ## 1. Windows and candles
#
# `F.window(time, width)` gives for a time the **window** in which it lies: a struct of `start` and `end`. Group by it,
# and you have one row for each minute.

# %% tags=["deterministic"]
minutes = ticks.groupBy("symbol", F.window("event_time", "1 minute").alias("window")).agg(
    F.count("*").alias("ticks"), F.min("price").alias("low"), F.max("price").alias("high")
)
look(minutes.select("symbol", "window.start", "window.end", "ticks", "low", "high").orderBy("start", "symbol"))

# %% [markdown]
# - The windows begin at full minutes of UTC, whenever the first tick came.
# - The start belongs to a window, the end does not: a tick at 14:31:00.000 is in the window that begins then. No tick
#   is in two windows, none in no window.
# - A minute without ticks has no row. Spark makes windows for ticks, not for the clock.
#
# A **candle** has two more prices: the first (`open`) and the last (`close`). There is a function `F.first`. Ask it for
# the open of the same ticks, read in two different orders:

# %% tags=["deterministic"]
bitcoin = ticks.where("symbol = 'BTC'").coalesce(1)
for name, order in (("oldest first", F.asc("event_time")), ("newest first", F.desc("event_time"))):
    candle = bitcoin.orderBy(order).groupBy(F.window("event_time", "1 minute")).agg(F.first("price").alias("open"))
    print(name, [str(row.open)[:8] for row in candle.orderBy("window").limit(4).collect()])

# %% [markdown]
# **The first trap.** `first` takes the row that happens to be read first. Ticks that are sent again, two partitions, or
# work shared between two cores are enough to change their order, and a candle that was right in every test is wrong
# some day. An `orderBy` before the grouping is no cure, though it looks like one here: `coalesce(1)` has put all rows
# into one part. With several, the grouping brings the rows to other places, and promises no order there. (A stream cannot be sorted in this way at all.)
#
# Say what "first" means instead. `F.min_by(price, x)` is the price of the row with the smallest `x`. Which `x`? The
# event time; and for two ticks at the same moment the one that was first in Kafka. A struct is compared field by field,
# so it can be both:


# %% tags=["deterministic"]
def one_minute_candles(ticks: DataFrame) -> DataFrame:
    """One candle for each symbol, currency and minute."""
    place = F.struct("event_time", "kafka_partition", "kafka_offset")
    return (
        ticks.groupBy("symbol", "currency", F.window("event_time", "1 minute").alias("window"))
        .agg(
            F.min_by("price", place).alias("open"),
            F.max("price").alias("high"),
            F.min("price").alias("low"),
            F.max_by("price", place).alias("close"),
            F.coalesce(F.sum("size"), F.lit(0)).alias("volume"),
            F.count("*").alias("tick_count"),
        )
        .withColumn("window_start", F.col("window.start"))
        .drop("window")
    )


candles = one_minute_candles(ticks)
look(candles.where("symbol = 'SOL'").orderBy("window_start"))

# %% [markdown]
# `F.coalesce` (which only shares its name with the other one) takes the first value that is not `NULL`: the sum of nothing but unknown sizes is `NULL`, and the volume of
# such a minute is 0. The currency is part of the group, for a price in USD and one in EUR must not become one candle.
#
# The whole hour of SOL. Candles need only be looked at:

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

sol = look(candles.where("symbol = 'SOL'").orderBy("window_start"), rows=100)
figure = go.Figure(
    go.Candlestick(x=sol["window_start"], open=sol["open"], high=sol["high"], low=sol["low"], close=sol["close"])
)
figure.update_layout(**LOOK, title="SOL, one candle a minute", xaxis_rangeslider_visible=False)
figure.update_xaxes(title="event time (UTC)", **GRID)
figure.update_yaxes(title="USD", **GRID)
figure

# %% [markdown]
# `F.window` gives a column like any other. It need not stand in a `groupBy`: `ticks.withColumn("w",
# F.window("event_time", "1 minute"))` writes its window beside each tick, and `w.end` is the end of it.
#
# A third argument makes windows **slide**: one of five minutes begins at every full minute. Now a tick lies in five
# windows, and is counted in each:

# %% tags=["deterministic"]
sliding = ticks.groupBy("symbol", F.window("event_time", "5 minutes", "1 minute").alias("window")).count()
print("ticks:", ticks.count(), "  counted in sliding windows:", sliding.agg(F.sum("count")).collect()[0][0])
look(sliding.where("symbol = 'BTC'").select("window.start", "window.end", "count").orderBy("start"))

# %% [markdown]
# The first one begins four minutes before the first tick: it holds only one minute of them. Whoever draws "the last
# five minutes" from this should know.

# %% [markdown]
# ## 2. Event time and processing time
#
# Each tick has two times. `event_time` is when the market moved. `sent_time` is when the record was sent to
# the broker, close to when we process it. Make candles of both:

# %%
for time in ("event_time", "sent_time"):
    windows = ticks.where("symbol = 'BTC'").groupBy(F.window(time, "1 minute")).count().orderBy("window").collect()
    print(f"{time:12} {len(windows):3} windows, the first with {windows[0]['count']} ticks")

# %% [markdown]
# By the time of sending, an hour of market is one candle or two: we sent it within seconds. The same happens on a live
# market after each standstill: what was held back comes at once, and by processing time all of it "happened" now. By
# event time the result is the same, whenever it is computed. So candles go by event time.
#
# That has a price. A clock tells when a minute is over. With event time, who says that no tick of 14:30 will come any
# more?

# %% [markdown]
# ## 3. The watermark
#
# Nobody can know it. So you say how long you are ready to wait, and Spark draws a line:
#
# **watermark = the newest event time seen so far minus what you are ready to wait**
#
# A window whose end lies at or below the watermark is over. Its row is final, its memory is freed, and ticks that still
# come for it are dropped. They are **late**.
#
# Below are seven deliveries of ticks of one coin. Windows are one minute wide, and we wait one minute. **Take a pencil
# and predict**, before you go on: where is the watermark after each delivery? Which minutes are over then, with how
# many ticks? Which ticks are late?
#
# | delivery | event times | watermark afterwards |
# |---|---|---|
# | 1 | 10:00:10, 10:00:50 | 09:59:50 |
# | 2 | 10:01:20 | 10:00:20 |
# | 3 | 10:00:30 | |
# | 4 | 10:02:05 | |
# | 5 | 10:01:02 | |
# | 6 | 10:00:40, 10:00:41 | |
# | 7 | 10:05:00 | |
#
# Then the same with Spark. `withWatermark(column, how long)` stands before the grouping. The query is a stream now;
# `format("memory")` keeps its rows in a table that has the name of the query. (To repeat this section later, run the
# notebook from its first cell: the deliveries must not be in the topic already.)

# %%
import shutil

DELIVERIES = [
    [("10:00:10", "100"), ("10:00:50", "103")],
    [("10:01:20", "101")],
    [("10:00:30", "99")],
    [("10:02:05", "102")],
    [("10:01:02", "98")],
    [("10:00:40", "120"), ("10:00:41", "121")],
    [("10:05:00", "104")],
]


def deliver(delivery: list[tuple[str, str]]) -> None:
    """Send ticks together."""
    for moment, price in delivery:
        tick = {"symbol": "BTC", "currency": "USD", "price": Decimal(price), "event_time": f"2026-11-02T{moment}Z"}
        producer.send(STEPS, value=json.dumps(tick, default=str).encode())
    producer.flush()


def steps(**options: str) -> DataFrame:
    """The stream of deliveries, made into candles."""
    stream = spark.readStream.format("kafka").options(**kafka, subscribe=STEPS, **options).load()
    return one_minute_candles(parse_ticks(stream).withWatermark("event_time", "1 minute"))


def minutes_of(candles: DataFrame) -> list[str]:
    """Candles in few words: their minute, and how many ticks they have."""
    rows = candles.orderBy("window_start").select(F.date_format("window_start", "HH:mm").alias("minute"), "tick_count")
    return [f"{row.minute} of {row.tick_count}" for row in rows.collect()]


for query in spark.streams.active:  # if you run this cell again
    query.stop()
shutil.rmtree(folder / "steps", ignore_errors=True)
writer = steps().writeStream.format("memory").queryName("steps").outputMode("append")
stepwise = writer.option("checkpointLocation", str(folder / "steps")).start()
stepwise.processAllAvailable()
print("runs:", stepwise.isActive)

# %% [markdown]
# Now deliver one after the other; this takes half a minute. `processAllAvailable` waits until Spark has done all that is
# there. What a query keeps from batch to batch is its **state**: ours has one row for each window that is still open,
# shown as `open windows`. `given out` is what is new in the table.

# %% tags=["deterministic"]
rows_before = 0
watermarks = []
for number, delivery in enumerate(DELIVERIES, 1):
    deliver(delivery)
    stepwise.processAllAvailable()
    table = minutes_of(spark.table("steps"))
    progress = stepwise.recentProgress[-1]
    watermarks.append(progress["eventTime"]["watermark"][11:19])
    kept = progress["stateOperators"][0]["numRowsTotal"]
    times = ", ".join(moment for moment, _ in delivery)
    print(f"{number}  {times:18}  watermark {watermarks[-1]}  open windows {kept}  given out {table[rows_before:]}")
    rows_before = len(table)

# %% [markdown]
# Compare with your prediction.
#
# - **1 to 3:** nothing is given out. Delivery 3 came out of order, but its minute was still open: it is counted like
#   any other, and it does not move the watermark back.
# - **4:** the watermark is 10:01:05, so the minute of 10:00 is over: 3 ticks, given out. Its state leaves the memory.
# - **5:** 10:01:02 is *older than the watermark*, and still not late: its window ends at 10:02:00. It is the window
#   that counts, not the tick.
# - **6:** their window ended at 10:01:00, and has been given out. Both are dropped, without a word. Their prices would
#   have been the highest of that minute.
# - **7:** three minutes later, everything up to 10:04:00 is over. The window of 10:05 stays in memory.
#
# **The last window never comes** until a later tick does: the watermark moves by ticks, not by the clock. When a market
# closes, its last minute stays with Spark. Here is the picture. Each dot is a tick; a tick is late when the band in
# which it lies, its minute, is all below the line as it was before, to the left of the dot:

# %%
day = "2026-11-02 "
figure = go.Figure()
for minute in range(6):
    figure.add_hrect(
        y0=f"{day}10:0{minute}:00",
        y1=f"{day}10:0{minute + 1}:00",
        fillcolor="rgba(138,143,152,0.16)" if minute % 2 == 0 else "rgba(0,0,0,0)",
        line_width=0,
    )
for name, colour, numbers in (("in its candle", "#3b82c4", [1, 2, 3, 4, 5, 7]), ("late", "#e0803a", [6])):
    points = [(number, day + moment) for number in numbers for moment, _ in DELIVERIES[number - 1]]
    figure.add_scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="markers",
        name=name,
        marker={"size": 11, "color": colour, "symbol": "x" if name == "late" else "circle"},
    )
figure.add_scatter(
    x=list(range(1, 8)),
    y=[day + mark for mark in watermarks],
    name="watermark",
    mode="lines",
    line={"color": "#2e9e5b", "shape": "hv"},
)
figure.update_layout(**LOOK, title="Event time of each tick, and the watermark after each delivery")
figure.update_xaxes(title="delivery", dtick=1, **GRID)
figure.update_yaxes(title="event time", tickformat="%H:%M", **GRID)
figure

# %% [markdown]
# How does one learn that ticks are lost? From the progress, which you know from 06a:

# %% tags=["deterministic"]
print(
    "numRowsDroppedByWatermark:",
    sum(one["stateOperators"][0]["numRowsDroppedByWatermark"] for one in stepwise.recentProgress),
)
stepwise.stop()

# %% [markdown]
# **It says 1, and two ticks were late.** The number counts rows that reach the state, and Spark adds up the ticks of a
# batch by window before that: two ticks of one window are one row. So it tells *that* something was late, not how much.
# To know how much, count the ticks yourself: a tick is late when the end of its window is at or below the watermark.
# That is exercise 3.
#
# And what Spark promises is one-sided: a tick that is not late is never dropped. One that is late may still be taken:
# the line moves only between two batches, so a late tick in the very next batch may get in.
#
# How long should one wait? Long: fewer ticks lost, more memory, later candles. Short: the reverse. The lab's own
# pipeline waits ten minutes, and computes the candles of later ticks anew from the table.

# %% [markdown]
# ## 4. Output modes
#
# So far the mode was `append`. There are three:
#
# | mode | a batch gives out |
# |---|---|
# | `append` | windows that are over, once and for all |
# | `update` | each window that this batch has changed, as it stands now |
# | `complete` | all windows since the beginning |
#
# The same deliveries again, in each mode, one record a batch (`maxOffsetsPerTrigger`). With some thirty batches it takes
# the better part of a minute. `foreachBatch` hands each batch
# to a function, as an ordinary DataFrame, with its number. Ours writes down what it gets:

# %% tags=["deterministic"]
given_out: dict[str, dict[int, list[str]]] = {}


def run_steps(mode: str) -> None:
    """Run the deliveries again in a mode, and note what each batch gives out."""
    seen = given_out[mode] = {}

    def note(batch: DataFrame, batch_id: int) -> None:
        seen[batch_id] = minutes_of(batch)

    writer = steps(maxOffsetsPerTrigger="1").writeStream.foreachBatch(note).outputMode(mode)
    query = writer.option("checkpointLocation", f"{folder}/{mode}").trigger(availableNow=True).start()
    query.awaitTermination()


moments = [moment for delivery in DELIVERIES for moment, _ in delivery]
for mode in ("append", "update", "complete"):
    shutil.rmtree(folder / mode, ignore_errors=True)
    run_steps(mode)
pd.set_option("display.max_colwidth", 100)
columns = {mode: [", ".join(rows) for rows in batches.values()] for mode, batches in given_out.items()}
pd.DataFrame.from_dict({"tick": [*moments, "(none)"], **columns}, orient="index").T.fillna("")

# %% [markdown]
# - The last row is a batch without ticks. Spark runs one when the watermark has moved and no record is waiting, to give
#   out or forget what is over. In section 3 there was a pause after each delivery, so it ran at once. Here the next
#   record was waiting each time but the last. (`complete` forgets nothing and needs no such batch.)
# - `append`: each candle once, but late: a minute and more after its end. (And one batch after the tick that closed it:
#   the watermark moves between two batches.) The right mode for files, or for messages that cannot be taken back.
# - `update`: always fresh, and the same candle again and again. Whoever receives it must **replace** the old one. This
#   is the mode for a database, and for the lab's pipeline.
# - `complete`: everything, in each batch. It must keep everything in memory, for ever; so it forgets no window, and
#   **drops no late tick**: look at the candle of 10:00 after the late ticks. For small tables only, such as a count by
#   symbol.
#
# Without a watermark, `update` forgets no window either, and `append` is refused: nothing would ever be over. Try it:

# %% tags=["deterministic"]
from pyspark.errors import AnalysisException

stream = parse_ticks(spark.readStream.format("kafka").options(**kafka, subscribe=STEPS).load())
try:
    one_minute_candles(stream).writeStream.format("noop").outputMode("append").start()
except AnalysisException as error:
    print(error.getCondition())
    print(str(error).splitlines()[0])

# %% [markdown]
# ## 5. Into PostgreSQL, the obvious way
#
# Spark can write a DataFrame to a database over **JDBC**, Java's way to talk to databases. A *stream* it cannot write
# so; but inside `foreachBatch` each batch is an ordinary DataFrame. First a table for ticks. The role `lab_owner` may
# make tables; the pipeline itself works as `lab_writer`, which may only do what it is granted. `numeric` is an exact
# decimal number, `timestamptz` a moment.

# %%
from lab_utils import db_utils
from lab_utils.servers import postgres_server

with db_utils.cursor("lab_owner") as cursor:  # what is done in the block is committed at its end
    cursor.execute("""
        DROP TABLE IF EXISTS unit06b_ticks;
        CREATE TABLE unit06b_ticks (
            symbol text, currency text, price numeric(38,18), size numeric(38,18), event_time timestamptz,
            kafka_partition integer, kafka_offset bigint
        );
        GRANT SELECT, INSERT ON unit06b_ticks TO lab_writer
    """)

URL = f"jdbc:postgresql://{postgres_server.address()}/lab"
LOGIN = {"user": "lab_writer", "password": postgres_server.password("lab_writer"), "driver": "org.postgresql.Driver"}


def append_ticks(batch: DataFrame, _batch_id: int) -> None:
    """Add a batch to the table."""
    batch.drop("sent_time").write.jdbc(URL, "unit06b_ticks", mode="append", properties=LOGIN)


def ask(query: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    with db_utils.cursor("lab_reader") as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


# %% [markdown]
# Now the query. It takes what is there in batches of 8,000 records, and ends:

# %% tags=["deterministic"]
from collections.abc import Callable
from pathlib import Path

WriteBatch = Callable[[DataFrame, int], None]


def tick_stream() -> DataFrame:
    """The ticks as a stream, 8,000 a batch."""
    options = {**kafka, "subscribe": TICKS, "maxOffsetsPerTrigger": "8000"}
    return parse_ticks(spark.readStream.format("kafka").options(**options).load())


def run(data: DataFrame, write: WriteBatch, checkpoint: Path) -> None:
    """Process all that is there."""
    writer = data.writeStream.foreachBatch(write).outputMode("update").option("checkpointLocation", str(checkpoint))
    query = writer.trigger(availableNow=True).start()
    query.awaitTermination()


with db_utils.cursor("lab_owner") as cursor:
    cursor.execute("TRUNCATE unit06b_ticks")  # what an earlier run of this cell has stored
shutil.rmtree(folder / "append_ticks", ignore_errors=True)
run(tick_stream(), append_ticks, folder / "append_ticks")
print("rows in the table:", ask("SELECT count(*) FROM unit06b_ticks")[0][0])
run(tick_stream(), append_ticks, folder / "append_ticks")
print("and after a second run:", ask("SELECT count(*) FROM unit06b_ticks")[0][0])
print("commits:", sorted(file.name for file in (folder / "append_ticks" / "commits").glob("[0-9]*")))

# %% [markdown]
# All there. The checkpoint knows that all three batches are done, so the second run added nothing. (8,000 is a limit for a whole
# batch: Spark shares it out among the partitions, and rounds.)
#
# **The second trap.** *When* does it know? Spark writes the plan of a batch to `offsets`, then runs your function, and
# when it has returned, writes the file in `commits`. Let the power fail between the last two: the rows are in the
# database, and the checkpoint does not know it. Do it. Remove the newest commit file, and start again:

# %% tags=["deterministic"]
TWICE = (
    "SELECT count(*) FROM (SELECT 1 FROM unit06b_ticks GROUP BY kafka_partition, kafka_offset HAVING count(*) > 1) AS t"
)


def as_if_crashed_in(checkpoint: Path, batch_id: int) -> None:
    """Make the checkpoint look as after a crash in this batch: it is planned, and not committed."""
    for kind, first in (("commits", batch_id), ("offsets", batch_id + 1)):
        for file in (checkpoint / kind).glob("[0-9]*"):
            if int(file.name) >= first:
                file.unlink()
                file.with_name(f".{file.name}.crc").unlink(missing_ok=True)  # its checksum


as_if_crashed_in(folder / "append_ticks", 2)
run(tick_stream(), append_ticks, folder / "append_ticks")
print("rows in the table:", ask("SELECT count(*) FROM unit06b_ticks")[0][0])
print("ticks that are there twice:", ask(TWICE)[0][0])

# %% [markdown]
# Spark ran the batch again, as it must: it cannot know how far your function had come. A batch is delivered **at least
# once**. (If the commit came before your function, a crash would lose the batch instead.) Making the *effect* happen
# once is up to what you write.

# %% [markdown]
# ## 6. Writing that may be repeated
#
# The first way: give each row a name that is the same at each try, and let the database refuse or replace the second
# one. For a tick the name is where it lies in Kafka, `(kafka_partition, kafka_offset)`. For a candle it is symbol,
# currency and minute. In a table such a name is its `PRIMARY KEY`: the database lets no two rows have the same. A
# writing that may be repeated without changing anything is called **idempotent**.
#
# `INSERT … ON CONFLICT (key) DO UPDATE` inserts a row, or changes the one that has this key already. It is called an
# **upsert**. `excluded` is the row that came in. JDBC in Spark has no such mode, so we talk to the database ourselves,
# with `psycopg2`. A batch of candles is small: bring it to Python.

# %%
from psycopg2.extras import execute_values

with db_utils.cursor("lab_owner") as cursor:
    cursor.execute("""
        DROP TABLE IF EXISTS unit06b_candles;
        CREATE TABLE unit06b_candles (
            symbol text, currency text, window_start timestamptz,
            open numeric, high numeric, low numeric, close numeric, volume numeric, tick_count bigint,
            PRIMARY KEY (symbol, currency, window_start)
        );
        GRANT SELECT, INSERT, UPDATE ON unit06b_candles TO lab_writer
    """)

COLUMNS = ("symbol", "currency", "window_start", "open", "high", "low", "close", "volume", "tick_count")
UPSERT = """
    INSERT INTO unit06b_candles (symbol, currency, window_start, open, high, low, close, volume, tick_count) VALUES %s
    ON CONFLICT (symbol, currency, window_start) DO UPDATE
    SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, tick_count = excluded.tick_count
"""
connection = db_utils.connect("lab_writer")  # by psycopg2; it stays open from batch to batch
written: dict[int, int] = {}
"""Batch → how many candles it had."""


def upsert_candles(batch: DataFrame, batch_id: int) -> None:
    """Insert the candles of a batch, or replace those that are there."""
    rows = [tuple(row[name] for name in COLUMNS) for row in batch.toArrow().to_pylist()]
    written[batch_id] = len(rows)
    with connection, connection.cursor() as cursor:
        execute_values(cursor, UPSERT, rows)


# %% [markdown]
# - A **cursor** is what a connection is given its statements through. `execute_values` puts all rows in the place of
#   `%s`, each value safely quoted.
# - `with connection, connection.cursor() as cursor:` is a transaction of psycopg2. At the end of such a block everything
#   in it is committed; when it raises, everything is undone. The connection stays open. (`db_utils.cursor`, which you saw
#   above, logs in, does the same, and closes the connection.)
# - `toArrow().to_pylist()` is a list of dictionaries. Why not `collect()`? Its times have no time zone, and are in the
#   zone of *your computer*; the database would take them for UTC. In Lisbon in winter, where the clock shows UTC, nobody
#   notices.

# %% tags=["deterministic"]
shutil.rmtree(folder / "candles", ignore_errors=True)


def candle_stream() -> DataFrame:
    """Candles of the tick stream; the partitions are not read evenly, so we wait long."""
    return one_minute_candles(tick_stream().withWatermark("event_time", "1 hour"))


def candles_in_table() -> list[tuple[object, ...]]:
    """How many candles and ticks the table holds, and its volume."""
    return ask("SELECT count(*), sum(tick_count), round(sum(volume), 3) FROM unit06b_candles")


run(candle_stream(), upsert_candles, folder / "candles")
print("candles by batch: ", written)
print("in the table:     ", candles_in_table()[0])
as_if_crashed_in(folder / "candles", 2)
written.clear()
run(candle_stream(), upsert_candles, folder / "candles")
print("candles replayed: ", written)
print("in the table:     ", candles_in_table()[0])

# %% [markdown]
# Batch 2 came again, and the table is as before. (The batches had more candles than the table: a minute that lies in two
# batches came twice. Batch 3 is one without ticks, as in section 4.) In `update` mode each row is the full state of its candle, so it is
# replaced, never added. `SET tick_count = unit06b_candles.tick_count + excluded.tick_count` would count ticks twice,
# and that even without a crash.

# %% [markdown]
# ## 7. Writing that adds
#
# Sometimes there is no such name. A table holds the turnover of each coin, and each batch adds to it. Adding is not
# idempotent. The second way: remember **which batches are in**, and pass over one that is. All depends on where the
# note is kept: in the same database, written **in the same transaction** as the rows. A **transaction** takes effect as
# a whole or not at all; so there is no moment for a crash between the rows and the note.
#
# A batch is named by the id of its query, which is in the checkpoint and survives a restart, and its number. In the
# cell below:
#
# - `getLocalProperty("sql.streaming.queryId")` asks Spark which query runs this function. A `uuid` is such an id.
# - `ON CONFLICT DO NOTHING` inserts nothing when the key is there. `cursor.rowcount` is how many rows went in: 0 means
#   that the batch was noted before.
# - `AS stored` gives the row that is in the table a name, so that one can add to it.
# - `GRANT` lets `lab_writer` use the tables.

# %%
with db_utils.cursor("lab_owner") as cursor:
    cursor.execute("""
        DROP TABLE IF EXISTS unit06b_turnover, unit06b_batches;
        CREATE TABLE unit06b_turnover (symbol text PRIMARY KEY, turnover numeric, ticks bigint);
        CREATE TABLE unit06b_batches (query_id uuid, batch_id bigint, PRIMARY KEY (query_id, batch_id));
        GRANT SELECT, INSERT, UPDATE ON unit06b_turnover, unit06b_batches TO lab_writer
    """)

ADD = """
    INSERT INTO unit06b_turnover AS stored (symbol, turnover, ticks) VALUES %s
    ON CONFLICT (symbol) DO UPDATE
    SET turnover = stored.turnover + excluded.turnover, ticks = stored.ticks + excluded.ticks
"""


def turnover_of(batch: DataFrame) -> list[tuple[object, ...]]:
    """The turnover of each coin in a batch. 38 digits times 38 digits do not fit into 38: so both are cut first."""
    paid = F.col("price").cast("decimal(20,8)") * F.coalesce("size", F.lit(0)).cast("decimal(17,9)")
    return [tuple(row) for row in batch.groupBy("symbol").agg(F.sum(paid), F.count("*")).collect()]


def add_turnover(batch: DataFrame, batch_id: int) -> None:
    """Add a batch to the turnover, unless it is in already."""
    query_id = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
    rows = turnover_of(batch)
    with db_utils.cursor("lab_writer") as cursor:
        cursor.execute("INSERT INTO unit06b_batches VALUES (%s, %s) ON CONFLICT DO NOTHING", (query_id, batch_id))
        if cursor.rowcount == 0:
            print("batch", batch_id, "is in already")
            return
        execute_values(cursor, ADD, rows)


def turnover_in_table() -> tuple[object, ...]:
    """The sum over all coins."""
    return ask("SELECT round(sum(turnover), 2), sum(ticks) FROM unit06b_turnover")[0]


# %% tags=["deterministic"]
with db_utils.cursor("lab_owner") as cursor:
    cursor.execute("TRUNCATE unit06b_turnover, unit06b_batches")
shutil.rmtree(folder / "turnover", ignore_errors=True)
run(tick_stream(), add_turnover, folder / "turnover")
print("turnover and ticks:", turnover_in_table())
as_if_crashed_in(folder / "turnover", 2)
run(tick_stream(), add_turnover, folder / "turnover")
print("turnover and ticks:", turnover_in_table())

# %% [markdown]
# And when it fails in the middle of the function? Begin anew (`TRUNCATE` empties the tables), with a table that refuses
# one of the coins (`CHECK` is a rule that each row must keep):

# %% tags=["deterministic"]
from pyspark.errors import StreamingQueryException

with db_utils.cursor("lab_owner") as cursor:
    cursor.execute("""
        TRUNCATE unit06b_turnover, unit06b_batches;
        ALTER TABLE unit06b_turnover DROP CONSTRAINT IF EXISTS no_sol, ADD CONSTRAINT no_sol CHECK (symbol <> 'SOL')
    """)
shutil.rmtree(folder / "refused", ignore_errors=True)
try:
    run(tick_stream(), add_turnover, folder / "refused")
except StreamingQueryException as error:
    print("the query ended:", "CheckViolation" in str(error))
print("batches noted:", ask("SELECT count(*) FROM unit06b_batches")[0][0], "  turnover and ticks:", turnover_in_table())

with db_utils.cursor("lab_owner") as cursor:
    cursor.execute("ALTER TABLE unit06b_turnover DROP CONSTRAINT no_sol")
run(tick_stream(), add_turnover, folder / "refused")
print("batches noted:", ask("SELECT count(*) FROM unit06b_batches")[0][0], "  turnover and ticks:", turnover_in_table())

# %% [markdown]
# The note was undone together with the rows. So the batch could be run once more when the trouble was over, and nothing
# is missing. That is why a writer must let its errors **out**: if it catches them and returns, Spark takes the batch
# for done, and its rows are lost.

# %% [markdown]
# ## 8. The lab's own sink
#
# `lab_utils/streaming/postgres_sink.py` is what the pipeline uses, and you know its ideas now: one transaction a batch,
# a note in it (`stream_commits`), and a key for each row. What it adds is patience: it tries again when the database is
# away for a moment, and it lets two writers that were started by mistake write one after the other. You hand it a
# function that changes something, and the name of the batch:

# %% tags=["deterministic"]
from lab_utils.streaming.postgres_sink import BatchId, PostgresSink

with db_utils.cursor("lab_owner") as cursor:
    cursor.execute("TRUNCATE unit06b_turnover")

sink = PostgresSink("unit06b")


def add_by_the_sink(batch: DataFrame, batch_id: int) -> None:
    """As `add_turnover`, with the lab's sink."""
    query_id = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
    rows = turnover_of(batch)

    def change(cursor: object) -> int:
        execute_values(cursor, ADD, rows)
        return len(rows)

    is_new = sink.write(change, BatchId(str(query_id), batch_id))
    print("batch", batch_id, "written" if is_new else "is in already")


shutil.rmtree(folder / "sink", ignore_errors=True)
run(tick_stream(), add_by_the_sink, folder / "sink")
as_if_crashed_in(folder / "sink", 2)
run(tick_stream(), add_by_the_sink, folder / "sink")
print("turnover and ticks:", turnover_in_table())

# %% [markdown]
# Key or note, which of the two? Remove the whole checkpoint, and the query gets a new id: the note knows none of its
# batches, and everything is added once more. A key still knows each row. So the lab's ticks have both: a batch that is
# in is passed over quickly, and a topic that is read again from the start changes nothing.

# %%
with db_utils.cursor("lab_owner") as cursor:  # our notes in a table of the lab
    cursor.execute("DELETE FROM stream_commits WHERE sink = 'unit06b'")
sink.close()
connection.close()
producer.close()
for query in spark.streams.active:
    query.stop()
print("queries that still run:", len(spark.streams.active))

# %% [markdown]
# ## What you have learnt
#
# - `F.window` puts a time into a window: the start is in, the end is not. Sliding windows share ticks.
# - Open and close need an order that you name: `min_by` and `max_by` with event time **and** a tie-break. `first` is
#   whatever comes first.
# - Event time gives the same candles whenever they are computed; processing time does not.
# - **Watermark** = newest event time minus what you wait. A window is over when its end is at or below it. It moves by
#   ticks, never by the clock.
# - Late is judged by the window. `numRowsDroppedByWatermark` counts groups, not ticks.
# - `append` once and final, `update` fresh and repeated, `complete` everything.
# - `foreachBatch` is called **at least once** a batch. A repeated write must change nothing: a key with an upsert, or a
#   note in the same transaction.
# - A writer lets its errors out.
#
# **Next:** the exercises. The cell below copies them; open `06b_windows.ipynb` in the folder `work`.

# %%
lab("exercise", "start", "06b")
