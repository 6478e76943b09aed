# The lesson of unit 01. Build: lab build

# %% [markdown]
# # 01 Kafka: spinning up a broker
#
# **Goal.** You start a Kafka broker with your own hands, put trades into it, read them back from any place you like,
# and look at the files in which it keeps them. Then you kill it, and see what is left.
#
# About 40 minutes. You need Python; you need not know Kafka. Run each cell with Shift+Enter and read what it shows
# before you go on. Each cell may be run again; running the first one again begins the lesson anew, and removes what it made.
# Nothing here can break the lab: `lab reset 01` in a terminal removes what this
# unit made, and puts a fresh copy of its exercises into `work/` (yours is kept beside it).

# %% [markdown]
# ## Where we are
#
# A price that moves on a market passes six stations until it is a line on your screen. This unit is about the third, the orange
# one in the picture. A green rim means that a server runs.

# %%
from lab_utils.servers.processes import choose_port
from lab_utils.teaching import clean_slate, lab

lab("up")
folder = clean_slate("01")
port = choose_port("my_broker", 19092)  # two ports of this machine that nobody uses, for later
controller_port = choose_port("my_controller", port + 1, taken=[port])

# %%
from lab_utils.teaching.pictures import pipeline_map

pipeline_map(here="kafka")

# %% [markdown]
# Why put anything between the producer and the database? Because they are never equally fast, and never alive at the same
# moments. Kafka is a **log**: **producers**, programs that write, append records to its end, and keep doing so when nobody reads.
# **Consumers**, programs that read, do so at their own pace, stop, come back, and read the same records again if they must. A record is
# not removed by being read.
#
# The process that keeps the log is called a **broker**.

# %% [markdown]
# ## 1. A broker by hand
#
# `lab up` has started one for you. To see that there is no magic in it, start a second one yourself. It takes three steps:
# write its properties, format its folder, start it.
#
# **Step 1: properties.** A broker is configured by a file of lines `name=value`. These are all that is needed.

# %%
data = folder / "data"

properties = f"""
process.roles=broker,controller
node.id=7
controller.quorum.voters=7@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
log.dirs={data.as_posix()}
offsets.topic.replication.factor=1
"""
properties_file = folder / "server.properties"
properties_file.write_text(properties)
print(properties)

# %% [markdown]
# Line by line:
#
# - `process.roles`: this process is a **broker** (it keeps records) and a **controller** (it keeps the list of what there is, and which
#   broker is in charge of it).
# - `node.id`: its number in the cluster, which is what brokers that work together are called. Any number will do; each has its own.
# - `controller.quorum.voters`: all controllers, as `id@host:port`. They elect a leader among themselves; the **quorum** is the
#   majority that this takes. Here there is one; in production there are three or five, so that one may fail.
# - `listeners`: where the process listens. One door for clients, one for the controllers. `127.0.0.1` is your machine alone.
#   `PLAINTEXT` means that clients talk to it without encryption.
# - `controller.listener.names`: which of the two doors is the one for controllers.
# - `log.dirs`: the folder of the log.
# - `offsets.topic.replication.factor`: Kafka keeps notes of its own, on how far readers have come. It wants a copy of them on each of three
#   brokers unless told otherwise. We have one.
#
# Older tutorials start **ZooKeeper** first. The list of topics and leaders was kept there, in a second
# system with servers of its own. Since Kafka 3.3 it may live in Kafka itself, as a log of its own (this is called **KRaft**).
# In Kafka 4 it always does, and ZooKeeper is gone.

# %% [markdown]
# **Step 2: format.** The folder gets a name tag: the id of the cluster and the number of this node. A broker refuses to start on
# a folder without a tag, or with the number of another node: a wrong path in the properties neither begins an empty log nor takes
# over somebody else's.

# %%
import subprocess

from lab_utils.servers.jars import class_path
from lab_utils.servers.java import find_java

java = str(find_java().executable)
cluster_id = "MyFirstClusterOfMyOwn1"  # 22 characters of base64: a UUID
format_command = [
    *(java, "-Dlog4j2.level=ERROR", "-cp", class_path("kafka"), "kafka.tools.StorageTool"),
    *("format", "--ignore-formatted", f"--cluster-id={cluster_id}", "-c", str(properties_file)),
]
subprocess.run(format_command, check=True)
print((data / "meta.properties").read_text())

# %% [markdown]
# **Step 3: start.** A broker is a Java program. The cell starts it in the background and asks until it answers, which is what the number of
# seconds below it counts.

# %%
import time

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from lab_utils.servers.processes import spawn
from lab_utils.waiting import wait_until


def answers() -> bool:
    """Whether my broker accepts clients."""
    try:
        KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", bootstrap_timeout_ms=1000).close()
    except KafkaError:
        return False
    return True


def start_my_broker() -> subprocess.Popen[bytes]:
    """Start the broker of this lesson, and wait until it accepts clients; its output goes to a file beside its data."""
    command = [java, "-Xmx256m", "-cp", class_path("kafka"), "kafka.Kafka", str(properties_file)]
    process = spawn(command, folder / "my_broker.log", cwd=folder)
    wait_until(answers, 60, "my broker to accept clients")
    return process


started = time.monotonic()
if not answers():
    my_broker = start_my_broker()
print(f"my broker is process {my_broker.pid} and accepts clients after {time.monotonic() - started:.1f} s")

# %% [markdown]
# Ask it who it is. Any program that talks to a broker, a **client**, may: an address of one broker, the **bootstrap server**, is enough to
# learn about all others.

# %%
my_admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
cluster = my_admin.describe_cluster()
print("cluster   ", cluster["cluster_id"])
print("controller", cluster["controller_id"])
for broker in cluster["brokers"]:
    print("broker    ", broker["broker_id"], "at", broker["host"], broker["port"])
my_admin.close()

# %% [markdown]
# That is your cluster: one broker with the number 7, which is its own controller. The lab's broker is another process with another folder, and
# has the number 1. From here on we use the lab's, and come back to yours at the end, to kill it.

# %% [markdown]
# ## 2. Topics and partitions
#
# Records are kept in **topics**, and each topic is cut into **partitions**. A partition is one log, in one folder. One broker **leads** it:
# all who write to it or read from it talk to that one. Partitions are how Kafka grows: four partitions can be led by four brokers, and read by
# four consumers at once.

# %%
from lab_utils.servers import kafka_server

servers = kafka_server.bootstrap_servers()
admin = KafkaAdminClient(bootstrap_servers=servers)

TOPIC = "unit01.trades"
if TOPIC not in admin.list_topics():
    admin.create_topics({TOPIC: {"num_partitions": 3, "replication_factor": 1}})
admin.wait_for_topics([TOPIC])
for partition in sorted(admin.describe_topics([TOPIC])[0]["partitions"], key=lambda part: part["partition_index"]):
    print("partition", partition["partition_index"], "is led by broker", partition["leader_id"])

# %% [markdown]
# The `replication_factor` says how many brokers keep a copy. With one broker it can only be 1. Ask for two and see:

# %%
try:
    admin.create_topics({"unit01.two_copies": {"num_partitions": 1, "replication_factor": 2}})
except KafkaError as error:
    print(type(error).__name__)

# %% [markdown]
# The broker has refused: the factor is invalid, because it is larger than the number of brokers. Kafka makes no topic that it cannot keep as it
# was asked to. In Python the refusal is an exception, which the cell catches to show its name.
#
# ## 3. Keys decide the partition
#
# A record has a **value**, which is what it says, and may have a **key**, which says what it is about. Both are bytes. Send twelve trades of four
# symbols, first **without a key**. `linger_ms=0` lets the producer send at once what it is given, and not wait for more.

# %%
from kafka import KafkaProducer

SYMBOLS = ["BTC", "ETH", "SOL", "AAPL"]
trades = [(SYMBOLS[number % 4], 100 + number) for number in range(12)]

producer = KafkaProducer(bootstrap_servers=servers, linger_ms=0)
for symbol, price in trades:
    producer.send(TOPIC, value=f"{symbol} {price}".encode()).get(timeout=10)

# %%
from lab_utils.teaching.pictures import partition_bars

partition_bars(TOPIC)

# %% [markdown]
# Each block is a record; point at one to read it. The hatched ones have no key. Without a key the producer deals records out as it likes, so the
# trades of one symbol lie in several partitions. Is that bad? Look at what a reader of the whole topic can rely on:
#
# **Kafka keeps the order within a partition, and promises nothing across partitions.** Two trades of BTC in two partitions
# may be read in either order, and then yesterday's price may come out on top.
#
# Now the same trades **with the symbol as key**. From the bytes of the key the producer computes a number, its **hash**, and the hash names the
# partition. Note the time before: we shall come back to it.

# %%
keyed_from = int(time.time() * 1000)  # milliseconds since 1970, which is how Kafka counts time
for symbol, price in trades:
    producer.send(TOPIC, key=symbol.encode(), value=f"{symbol} {price}".encode())
producer.flush()

partition_bars(TOPIC)

# %% [markdown]
# Each key has its colour, and each colour is in one partition. The trades without a key still lie where they were, to the left.
#
# Check it in numbers, from what the broker gives back. A consumer first asks which partitions the topic has: `partitions_for_topic` gives their
# numbers. `assign` tells it which of them to read, and `poll` returns what has come so far, which may be nothing.

# %% tags=["deterministic"]
from collections import defaultdict

from kafka import KafkaConsumer, TopicPartition

consumer = KafkaConsumer(bootstrap_servers=servers)
places = [TopicPartition(TOPIC, number) for number in sorted(consumer.partitions_for_topic(TOPIC))]
consumer.assign(places)
consumer.seek_to_beginning(*places)

found = defaultdict(set)
seen = 0
while seen < 24:
    for batch in consumer.poll(timeout_ms=500).values():
        for record in batch:
            seen += 1
            if record.key is not None:
                found[record.key.decode()].add(record.partition)
for symbol in SYMBOLS:
    print(symbol, "is in partition", *sorted(found[symbol]))

# %% [markdown]
# BTC and ETH share a partition, SOL and AAPL another, and the third got none of these trades: the hash does not deal out evenly, least of all
# with four keys. What counts is that a symbol is never in two.
#
# It is the same in your neighbour's notebook: the partition depends on the key, the number of partitions, and how the client
# computes the hash. (kafka-python does it as Kafka's own Java client. Some others do not unless told to.) That is also why one does not change the number of partitions of a keyed topic lightly. With four instead of three, the next
# trade of a symbol may go elsewhere than the ones before it.
#
# `flush()` in the cell that sent them is not decoration. `send` only puts a record into a buffer; a thread sends it later. A program
# that ends without `flush()` (or `close()`) may lose what is still in the buffer, without an error.

# %% [markdown]
# ## 4. Offsets: the place in the log
#
# Each record has a number in its partition, the **offset**. It never changes and is never used again. A reader is nothing
# but an offset per partition: where it stands. It may move as it likes.

# %%
place = places[0]
first, end = consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]
print(f"partition 0 holds the offsets {first} to {end - 1}; the next record will get {end}")

consumer.seek(place, first)
records = consumer.poll(timeout_ms=2000, max_records=2).get(place, [])
print("from the start:", [record.value.decode() for record in records])

consumer.seek(place, first)
again = consumer.poll(timeout_ms=2000, max_records=2).get(place, [])
print("and once more: ", [record.value.decode() for record in again])

# %% [markdown]
# Reading did not remove anything. A reader may also go back to a moment, for each record carries the time at which it was sent, its
# **timestamp**. `offsets_for_times` is given a time for each partition and gives the first record that is as late or later. Where were the
# partitions when the first trade with a key was sent?

# %%
for at, answer in sorted(consumer.offsets_for_times(dict.fromkeys(places, keyed_from)).items()):
    print("partition", at.partition, "→", answer)

# %% [markdown]
# For a partition in which no record is that late there is no answer, but `None`. It is the one that got none of the trades with a key.
#
# So who remembers how far a program has come, when it starts anew? The broker, if it is
# asked to: consumers with a `group_id` **commit** their offset under the name of the group. This one reads ten records and commits.

# %%
reader = KafkaConsumer(bootstrap_servers=servers, group_id="unit01.readers", enable_auto_commit=False)
reader.assign(places)
reader.seek_to_beginning(*places)
taken = 0
while taken < 10:
    for batch in reader.poll(timeout_ms=1000, max_records=10 - taken).values():
        taken += len(batch)
reader.commit()
committed = {place.partition: reader.committed(place) or 0 for place in places}
reader.close()
print(f"{taken} records read, committed:", committed)

# %%
partition_bars(TOPIC, committed)

# %% [markdown]
# The red lines are where the group stands. What lies to the right of a line is still to be read: the **lag** of the group.
# A lag that grows means that a consumer is slower than its producers. It is the first number to look at when a pipeline is
# "late". Where a group has never committed, `committed` gives `None`: hence the `or 0`.

# %% [markdown]
# ## 5. The log on disk
#
# No database, no secret format: a partition is a folder with files.

# %%
from lab_utils.settings import settings

for number in range(3):
    for file in sorted((settings().state_dir / "kafka" / "data" / f"{TOPIC}-{number}").iterdir()):
        print(f"{file.parent.name}/{file.name:32} {file.stat().st_size:>9,} bytes")

# %% [markdown]
# - `….log` holds the records, one behind the other, named by the offset of its first. When it is large enough (1 GB) or old
#   enough (7 days), the broker begins the next file, a new **segment**.
# - `….index` and `….timeindex` say where in the log an offset or a time lies. They are laid out at 10 MB and mostly empty.
#
# Appending to a file is the fastest thing a disk can do. That is one reason for Kafka's speed; another is that records travel
# and are stored in batches.
#
# You can read your trades in it with the naked eye:

# %%
log_files = sorted((settings().state_dir / "kafka" / "data").glob(f"{TOPIC}-*/*.log"))
largest = max(log_files, key=lambda file: file.stat().st_size)
print("".join(chr(byte) if 32 <= byte < 127 else "." for byte in largest.read_bytes()))

# %% [markdown]
# ## 6. Retention
#
# If reading removes nothing, what does? Time. A topic keeps its records for `retention.ms` (by default a week), then whole
# segments are deleted. Ask the broker, and change it for our topic to an hour:

# %% tags=["deterministic"]
from kafka.admin import ConfigResource, ConfigResourceType


def hours_kept() -> int:
    """How long the broker says that it keeps the records of our topic."""
    answer = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC)], config_filter="all")
    return int(answer["topic"][TOPIC]["retention.ms"]["value"]) // 3_600_000


print("hours kept before:    ", hours_kept())
admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC, configs={"retention.ms": "3600000"})])
wait_until(lambda: hours_kept() == 1, 20, "the broker to know its new setting")
print("hours kept now:       ", hours_kept())

# %% [markdown]
# Why does the cell wait? The controller takes the change and writes it into its own log. The broker reads it from there a moment later, and until
# then it tells you the old value. So it is with all that you change in Kafka: `wait_for_topics` is there for the same reason.

# %% [markdown]
# **A trap.** The age of a record is counted from its timestamp, and a producer may set that to anything. Replay trades of last
# year with their own times, and the broker deletes them minutes later: they are "older than a week". The lab's topics use
# `message.timestamp.type=LogAppendTime`, the broker's own clock, for this reason.

# %% [markdown]
# ## 7. When a broker dies
#
# Back to your own broker. Put one record into it, and then kill it the hard way. `kill` gives it no time to clean up.
# `acks="all"` asks for an answer, the **acknowledgement**, only when the record is in the log of every broker whose copy is up to
# date (here there is one); `get` waits for it.

# %%
if not answers():
    my_broker = start_my_broker()
my_admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
if "precious" not in my_admin.list_topics():
    my_admin.create_topics({"precious": {"num_partitions": 1, "replication_factor": 1}})
my_admin.wait_for_topics(["precious"])
my_producer = KafkaProducer(bootstrap_servers=f"127.0.0.1:{port}", acks="all")
place_of_it = my_producer.send("precious", value=b"a price nobody must lose").get(timeout=30)
print("acknowledged at offset", place_of_it.offset)
my_producer.close()
my_admin.close()

my_broker.kill()
my_broker.wait()
print("accepts clients:", answers())

# %% [markdown]
# It is gone, and with one broker there is nobody to take over: producers must wait, consumers see nothing. Start it again on
# the same folder. There is no second format: the folder has its name tag.

# %%
if not answers():
    my_broker = start_my_broker()

survivor = KafkaConsumer(
    "precious", bootstrap_servers=f"127.0.0.1:{port}", auto_offset_reset="earliest", consumer_timeout_ms=20_000
)
record = next(survivor)
print("offset", record.offset, "holds:", record.value.decode())
survivor.close()

# %% [markdown]
# The record is there. What a broker has acknowledged stands in its log, and survives its process.
#
# A power cut of the whole machine is another matter. Kafka leaves it to the operating system when a file goes to the disk, so the
# newest records may be lost. Nor do they survive the loss of the disk. Against both there are copies on other brokers
# (`replication_factor=3`), which one machine cannot show honestly.
#
# The controllers keep their list, Kafka's **metadata**, in a log like any other. Ask how it is. `leader_epoch` counts the elections: each start of
# your one controller was one.

# %%
my_admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
metadata_log = my_admin.describe_metadata_quorum()["topics"][0]["partitions"][0]
my_admin.close()
print("leader      ", metadata_log["leader_id"])
print("leader_epoch", metadata_log["leader_epoch"])
print("voters      ", [voter["replica_id"] for voter in metadata_log["current_voters"]])
print("records     ", metadata_log["high_watermark"], "in the log of the metadata itself")

# %% [markdown]
# Clean up: stop your broker, politely this time.

# %%
my_broker.terminate()
my_broker.wait(timeout=60)
consumer.close()
producer.close()
admin.close()
print("my broker has ended")

# %% [markdown]
# ## What you have learnt
#
# - A **broker** is a process with a folder. Properties, format, start: that is all.
# - A **topic** is cut into **partitions**; a partition is an ordered log in files.
# - The **key** decides the partition. Order holds within a partition, so records that belong together need one key.
# - An **offset** is a place in a partition, and a time can be turned into one. Reading removes nothing; a group commits how far it is; the
#   rest is its **lag**.
# - `send` is not sent: `flush()`.
# - **Retention** removes by age, and the age is that of the timestamp.
# - Acknowledged records survive the process. Copies are for the loss of the disk.
#
# **Next:** the exercises. The cell below copies them; open `01_kafka.ipynb` in the folder `work`.

# %%
lab("exercise", "start", "01")
