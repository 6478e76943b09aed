# The lesson of unit 12a. Build: lab build

# %% [markdown]
# # 12a Scaling out Kafka
#
# **Goal.** Several readers share the work of one topic, and several brokers keep copies of it. You start them, watch
# who has what, kill some of them, and count what that costs: seconds, records handled twice, records lost.
#
# About 45 minutes. You have done units 00 to 02, 06, 09 and 10. Everything in this unit runs as real processes: readers, three
# brokers, a ZooKeeper. The brokers of sections 4 and 5 belong to **second labs** in folders of this lesson, so the topics and tables of your own lab are
# not touched. They want about 1.5 GB of memory while they run. Section 5 fetches
# Kafka 3.9 the first time (50 MB, which needs internet once). All cells together take about three minutes. They build on each other:
# to run one a second time, begin again with the first one, which removes what the lesson made.
#
# Nothing here can break the lab: `lab reset 12a` in a terminal removes what this unit made, stops what it started, and puts a fresh copy of
# its exercises into `work/` (yours is kept beside it).

# %% [markdown]
# ## Where we are
#
# At the third station once more. In unit 01 it was one broker and one reader; now it gets many of each.

# %%
from lab_utils.teaching import another_lab, clean_slate, lab

lab("up")
folder = clean_slate("12a")

# %%
from lab_utils.teaching.pictures import pipeline_map

pipeline_map(here="kafka")

# %% [markdown]
# ## 1. A group shares the partitions
#
# A reader with a `group_id` is a **member** of a **consumer group**. If it does not choose its partitions itself (`assign`, as in unit 01) but
# only says which topic it wants (`subscribe`), the group deals the partitions out among its members. When one comes or goes, they are dealt out anew: a **rebalance**.
#
# One broker keeps the list of the members. It is the **coordinator** of the group. Each member sends it a sign of life, a **heartbeat**, at short
# intervals. The plan itself is made by one of the members, and the coordinator hands it round.
#
# Members are programs of their own, so this one is written into a file. It keeps a **diary** of everything that happens to it, a line each.

# %%
import sys

MEMBER = '''
"""One member of a consumer group. Its diary goes to its standard output, a line of JSON for each event."""

import json
import signal
import sys
import time

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer

servers, topic, group, name, work_ms, commit_every, when_revoked = sys.argv[1:]


def note(event, **details):
    print(json.dumps({"time": time.time(), "event": event, **details}), flush=True)


class Diary(AsyncConsumerRebalanceListener):
    async def on_partitions_assigned(self, assigned):
        note("assigned", partitions=sorted(place.partition for place in assigned))

    async def on_partitions_revoked(self, revoked):
        if when_revoked == "commit":
            await consumer.commit_async()
        note("revoked", partitions=sorted(place.partition for place in revoked))


asked_to_stop = []
signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.append(True))

consumer = KafkaConsumer(
    bootstrap_servers=servers,
    group_id=group,
    client_id=name,
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    session_timeout_ms=6000,
    heartbeat_interval_ms=300,
)
consumer.subscribe([topic], listener=Diary())
consumer.partitions_for_topic(topic)  # know them before joining the group

not_committed = 0
while not asked_to_stop:
    for batch in consumer.poll(timeout_ms=200, max_records=20).values():
        for record in batch:
            time.sleep(float(work_ms) / 1000)  # the work that a record makes
            note("handled", partition=record.partition, offset=record.offset)
            not_committed += 1
    if not_committed >= int(commit_every):
        consumer.commit()
        not_committed = 0
consumer.close()
note("closed")
'''
script = folder / "member.py"
script.write_text(MEMBER, encoding="utf-8")
print(len(MEMBER.splitlines()), "lines")

# %% [markdown]
# From top to bottom:
#
# - `Diary` is told by the consumer when partitions are given to this member and when they are taken away. Such an object is called a **rebalance
#   listener**. The commit in it is for section 2.
# - `SIGTERM` is how a program is asked to end (on Linux and macOS). This one finishes what it has in hand, then `close()` says goodbye to the group.
# - `client_id` is the name under which the broker will show the member.
# - `session_timeout_ms` is how long the coordinator waits for a heartbeat before it takes a member for dead. 6 seconds is the shortest
#   time that a broker allows (`group.min.session.timeout.ms`); usual are 45. A third of it or less is right between two heartbeats; ours are much closer, so that
#   you wait less.
# - `partitions_for_topic` waits until the consumer knows what partitions there are. Without it kafka-python 3.0.12 joins the group once without knowing
#   them and then once more, and a member that polls in very short steps may remain outside for good, without an error.
# - The loop is the usual one, and commits now and then, between two polls. `time.sleep` stands for the work: a call to some other service, a write to a database.
#
# Around it, some small functions: start a member, read its diary, ask the broker who has what, and wait until that has settled.

# %%
import json
import subprocess
import time
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from lab_utils.servers import kafka_server
from lab_utils.servers.processes import spawn
from lab_utils.waiting import wait_until

servers = kafka_server.bootstrap_servers()
admin = KafkaAdminClient(bootstrap_servers=servers)


def create_topic(topic: str, partitions: int) -> None:
    """Create a topic of the lesson and wait until it can be used."""
    admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
    admin.wait_for_topics([topic])


def start_member(
    topic: str, group: str, name: str, work_ms: float = 0, commit_every: int = 1_000_000, when_revoked: str = "nothing"
) -> subprocess.Popen[bytes]:
    """Start a process that reads `topic` as a member of `group`."""
    arguments = [servers, topic, group, name, str(work_ms), str(commit_every), when_revoked]
    return spawn([sys.executable, str(script), *arguments], folder / f"{group}.{name}.diary")


def diary(group: str, name: str) -> list[dict[str, Any]]:
    """What a member has noted so far. A line that is not complete was being written when it was killed."""
    file = folder / f"{group}.{name}.diary"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def who_reads(group: str) -> tuple[str, dict[str, list[int]]]:
    """The state of a group, and the partitions of each of its members, as the broker says."""
    try:
        answer = admin.describe_groups([group])[group]
    except KafkaError as error:  # such as: no coordinator yet
        return type(error).__name__, {}
    found = {}
    for member in answer["members"]:
        topics = member["member_assignment"]["assigned_partitions"] if member["member_assignment"] else []
        found[member["client_id"]] = sorted(number for topic in topics for number in topic["partitions"])
    return answer["group_state"], dict(sorted(found.items()))


def noted_partitions(group: str, name: str) -> list[int]:
    """The partitions that a member has by its own diary."""
    changes = [entry for entry in diary(group, name) if "partitions" in entry]
    return changes[-1]["partitions"] if changes and changes[-1]["event"] == "assigned" else []


def wait_for_members(group: str, names: list[str], partitions: int = 4) -> dict[str, list[int]]:
    """Wait until a group has these members and no others, they have all partitions, and they know it themselves."""

    def is_settled() -> bool:
        state, members = who_reads(group)
        if state != "Stable" or list(members) != sorted(names) or sum(map(len, members.values())) != partitions:
            return False
        return all(noted_partitions(group, name) == numbers for name, numbers in members.items())

    wait_until(is_settled, 60, f"{group} to have settled", seen=lambda: who_reads(group))
    return who_reads(group)[1]


# %% [markdown]
# Now a topic of four partitions, and one member. It has them all. Then a second one, and then three more:

# %% tags=["deterministic"]
TOPIC, GROUP = "unit12a.trades", "unit12a.readers"
create_topic(TOPIC, 4)

began = time.time()
members = {"member-1": start_member(TOPIC, GROUP, "member-1")}
print(wait_for_members(GROUP, list(members)))

members["member-2"] = start_member(TOPIC, GROUP, "member-2")
print(wait_for_members(GROUP, list(members)))

for name in ("member-3", "member-4", "member-5"):
    members[name] = start_member(TOPIC, GROUP, name)
for name, partitions in wait_for_members(GROUP, list(members)).items():
    print(name, partitions)

# %% [markdown]
# **A partition is read by one member of a group, never by two.** That is what keeps its order. So four partitions occupy four members, and the
# fifth has nothing to do. It is not useless: it stands ready.
#
# Watch it get something. `terminate()` asks member 4 to end: it closes its consumer, which says goodbye. Member 2 is killed; it says nothing. How
# long until somebody else has their partitions?


# %%
def seconds_until_taken_over(partition: int, leaver: str) -> float:
    """How long after now another member is given a partition."""
    since = time.time()

    def next_owner() -> list[float]:
        return [
            entry["time"]
            for name in members
            if name != leaver
            for entry in diary(GROUP, name)
            if entry["event"] == "assigned" and partition in entry["partitions"] and entry["time"] > since
        ]

    return wait_until(next_owner, 30, f"partition {partition} to have a new reader")[0] - since


polite_at = time.time()
members["member-4"].terminate()
polite = seconds_until_taken_over(3, "member-4")
wait_for_members(GROUP, [name for name in members if name != "member-4"])

time.sleep(1)  # some calm, to be seen in the picture below
killed_at = time.time()
members["member-2"].kill()
killed = seconds_until_taken_over(1, "member-2")

print(f"after a goodbye: {polite:.1f} s   after a kill: {killed:.1f} s")
for name, partitions in wait_for_members(GROUP, ["member-1", "member-3", "member-5"]).items():
    print(name, partitions)

# %% [markdown]
# The member that said goodbye was replaced at the others' next heartbeats. The one that was killed was missed only when its session timed out:
# about 6 seconds, the `session_timeout_ms`. Shorter timeouts find the dead faster, and take a member for dead that
# only paused. Here is the whole story from the diaries, a row a partition, a colour a member:

# %%
from lab_utils.teaching.pictures import Span, draw_spans


def who_had_what(group: str, names: list[str], since: float, until: float, killed: dict[str, float]) -> list[Span]:
    """From diaries: who was responsible for which partition from when to when. Nobody, between two members."""
    held: dict[int, list[tuple[float, float, str]]] = {}
    for name in names:
        entries = [entry for entry in diary(group, name) if "partitions" in entry]
        ends = [entry["time"] for entry in entries[1:]] + [killed.get(name, until)]
        for entry, end in zip(entries, ends, strict=True):
            if entry["event"] == "assigned":
                for partition in entry["partitions"]:
                    held.setdefault(partition, []).append((entry["time"] - since, end - since, name))
    spans = []
    for partition, pieces in held.items():
        free_from = None
        for start, end, name in sorted(pieces):
            if free_from is not None:
                spans.append(Span(f"partition {partition}", free_from, start, None))
            spans.append(Span(f"partition {partition}", start, end, name))
            free_from = end
    return spans


story = who_had_what(GROUP, list(members), began, time.time(), {"member-2": killed_at})
draw_spans(
    "Who had which partition",
    story,
    {"member 4 says goodbye": polite_at - began, "member 2 is killed": killed_at - began},
)

# %% [markdown]
# - Each time that somebody comes or goes there is a gap in **all** rows, even in those that keep their member: everybody hands in everything, and the
#   partitions are dealt out anew. A group whose members come and go all day hardly works. (A member with
#   `partition_assignment_strategy=[CooperativeStickyAssignor()]` gives away only what another is to have.)
# - After the kill, the row of partition 1 is hatched for seconds: nobody reads it, and the others do not know. (The last, thin gap is the rebalance that
#   ends it.)
# - Why not let the broker make the plan? In Kafka 4 it can (KIP-848). kafka-python does not speak that protocol yet.
#
# End the members, politely:


# %%
def end(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ask all to end, and wait for it."""
    for process in processes.values():
        process.terminate()
    for process in processes.values():
        process.wait(30)


end(members)
print(wait_until(lambda: who_reads(GROUP)[0] == "Empty", 30, "the group to be empty"))

# %% [markdown]
# ## 2. The trap: handled twice
#
# The new owner of a partition must know where to go on. It asks for the last **commit** of the group. Whatever the old owner did after its last commit is done again.
#
# To see it, take a topic with one partition and 3,000 records, each 2 ms of work, and let three members have it one after the other. A ends politely,
# B is killed, C does the rest. Two groups do this side by side:
#
# - the group `seldom` commits after every 5,000 records, so here not once,
# - the group `revoked` does the same, and also commits when its partitions are taken away.
#
# The second is the commit in the listener above. There are three things to know about it:
#
# - The listener is called inside `poll`. The records of the poll before are handled by then, so what `commit_async()` commits, the position of the
#   consumer, is what was handled. In a loop that leaves a batch in the middle this is not so: it commits records that nobody has handled, and they are
#   **lost**. Then say what to commit (exercise 12a.6).
# - `await` is needed. A plain `consumer.commit()` in a listener raises `RuntimeError` in kafka-python 3: it would wait for the thread that it is
#   called in. So the listener is an `AsyncConsumerRebalanceListener`.
# - `close()` calls it as well.

# %%
from kafka import KafkaProducer

HAND_OVER, RECORDS = "unit12a.hand_over", 3_000
create_topic(HAND_OVER, 1)
producer = KafkaProducer(bootstrap_servers=servers)
for number in range(RECORDS):
    producer.send(HAND_OVER, value=b"trade %d" % number)
producer.flush()

GROUPS = {"seldom": "nothing", "revoked": "commit"}  # group → what it does when partitions are taken away


def handled_by(group: str, name: str) -> list[int]:
    """The offsets that a member has handled, in its order."""
    return [entry["offset"] for entry in diary(f"unit12a.{group}", name) if entry["event"] == "handled"]


def start_in_both(name: str) -> dict[str, subprocess.Popen[bytes]]:
    """Start a member of that name in each of the two groups."""
    return {
        group: start_member(HAND_OVER, f"unit12a.{group}", name, 2, commit_every=5_000, when_revoked=action)
        for group, action in GROUPS.items()
    }


running = start_in_both("A")
wait_until(lambda: min(len(handled_by(group, "A")) for group in GROUPS) >= 200, 60, "A to handle 200 records")
end(running)

running = start_in_both("B")
wait_until(lambda: min(len(handled_by(group, "B")) for group in GROUPS) >= 200, 60, "B to handle 200 records")
for process in running.values():
    process.kill()
    process.wait()

running = start_in_both("C")
wait_until(
    lambda: all(RECORDS - 1 in handled_by(group, "B") + handled_by(group, "C") for group in GROUPS), 60, "the rest"
)
end(running)

for group in GROUPS:
    a, b, c = (handled_by(group, name) for name in "ABC")
    print(f"{group:8} handled: A {len(a)}, B {len(b)}, C {len(c)}", end="")
    print(f"   twice: A and B {len(set(a) & set(b))}, B and C {len(set(b) & set(c))}", end="")
    print(f"   never: {RECORDS - len({*a, *b, *c})}")

# %% [markdown]
# As a picture: each line is a member on its way through the partition. Where a line begins below the end of the one before, records are handled again.

# %%
import plotly.graph_objects as go

from lab_utils.look import COLOURS, GRID, LAYOUT

figure = go.Figure()
for column, group in enumerate(GROUPS):
    entries = {name: [e for e in diary(f"unit12a.{group}", name) if e["event"] == "handled"] for name in "ABC"}
    first = entries["A"][0]["time"]
    for number, (name, steps) in enumerate(entries.items()):
        figure.add_scatter(
            x=[round(step["time"] - first, 2) for step in steps[::20]],
            y=[step["offset"] for step in steps[::20]],
            name=f"member {name}",
            mode="lines",
            line={"color": COLOURS[number], "width": 4},
            showlegend=column == 0,
            xaxis="x2" if column else "x",
        )
figure.update_layout(
    LAYOUT,
    height=340,
    title="left: commits seldom   right: commits when revoked, too",
    xaxis={"domain": [0, 0.47], "title": "seconds"},
    xaxis2={"domain": [0.53, 1], "title": "seconds", "anchor": "y", "gridcolor": GRID},
    yaxis={"title": "offset"},
)
figure.update_xaxes(gridcolor=GRID)
figure.update_yaxes(gridcolor=GRID)
figure

# %% [markdown]
# - **Politely**, from A to B: with the commit in the listener nothing is handled twice. Without it B begins from the start.
# - **Killed**, from B to C: no listener is called, and no code of B's can help. What B did is done again, in both groups.
# - Nothing is left out in either.
#
# This is **at least once**, and no setting of a consumer makes more of it: between the work and the commit there is always a moment in which
# the process may die. (Commit *before* the work, and it is at most once: a kill loses records.) A short interval
# between commits makes the part that is repeated small. It is never empty.
# So who writes the results must bear repetitions: by a key, as the sink of unit 06b.
#
# kafka-python's default, `enable_auto_commit=True`, commits every 5 seconds and before a rebalance. It commits what `poll` has handed out, handled
# or not.

# %% [markdown]
# ## 3. Partitions are what is shared
#
# How much do more members help? Here is a topic of four partitions with 800 records, 5 ms of work each. Let 1, 2, 4 and 5 members work it off.
# The work is *waiting*, as for another service; on two cores, four programs that compute would not be four times as fast.
# All members join first, then the records come.

# %%
WORK = 800


def work_off(count: int) -> list[float]:
    """Give a group of so many members its work; the moments at which a record was done, from the first on."""
    topic, group = f"unit12a.work{count}", f"unit12a.workers{count}"
    create_topic(topic, 4)
    names = [f"member-{number}" for number in range(1, count + 1)]
    workers = {name: start_member(topic, group, name, 5, when_revoked="commit") for name in names}
    wait_for_members(group, names)
    for number in range(WORK):
        producer.send(topic, value=b"trade", partition=number % 4)
    producer.flush()

    def done() -> int:
        return sum(file.read_text().count("handled") for file in folder.glob(f"{group}.*.diary"))

    wait_until(lambda: done() >= WORK, 90, f"{count} members to do their work", every=0.1)
    end(workers)
    moments = sorted(e["time"] for name in names for e in diary(group, name) if e["event"] == "handled")
    return [moment - moments[0] for moment in moments]


finished = {count: work_off(count) for count in (1, 2, 4, 5)}
for count, moments in finished.items():
    print(f"{count} members: {moments[-1]:.1f} s, {finished[1][-1] / moments[-1]:.1f} times as fast as one")

# %%
figure = go.Figure()
for number, (count, moments) in enumerate(finished.items()):
    shown = range(0, WORK, 20)
    figure.add_scatter(
        x=[round(moments[done], 2) for done in shown] + [round(moments[-1], 2)],
        y=[WORK - done for done in shown] + [0],
        name=f"{count} members" if count > 1 else "1 member",
        mode="lines",
        line={"color": COLOURS[number], "width": 3, "dash": "dash" if count == 5 else "solid"},
    )
figure.update_layout(LAYOUT, height=340, title="The lag, as the members work it off")
figure.update_xaxes(title="seconds", gridcolor=GRID)
figure.update_yaxes(title="records left", gridcolor=GRID)
figure

# %% [markdown]
# Twice the members, about half the time, up to four. (A machine that is busy with other things makes it less regular.) The fifth changes nothing: there is no fifth partition. And this was the good case, with the same
# number of records in each partition. With keys, the busiest partition decides when all is done. One busy symbol
# keeps one member busy, whatever you pay for.
#
# **So why not make 1,000 partitions?** Each has files, memory and a leader to elect on some broker. And why not begin with few, and add more later?
# Because of the key. Its hash *modulo the number of partitions* is the place. Ask kafka-python's own hash where ten symbols go:

# %% tags=["deterministic"]
from kafka.partitioner import murmur2

SYMBOLS = ["BTC", "ETH", "SOL", "XRP", "ADA", "AAPL", "MSFT", "GOOG", "AMZN", "TSLA"]


def partition_of(symbol: str, partitions: int) -> int:
    """Where kafka-python's default partitioner, and Java's, puts a record with this key."""
    return int((murmur2(symbol.encode()) & 0x7FFFFFFF) % partitions)


for symbol in SYMBOLS:
    before, after = partition_of(symbol, 4), partition_of(symbol, 8)
    print(f"{symbol:5} of 4: {before}   of 8: {after}   {'moves' if before != after else ''}")

# %% [markdown]
# And what Kafka really does. Seven of the symbols, before and after `create_partitions`. The producer is a new one each time: one that runs learns of new
# partitions only when it asks for the metadata again, after five minutes by default. Until then both orders are mixed.

# %%
from kafka.admin import NewPartitions

from lab_utils.teaching.pictures import partition_bars

KEYED = "unit12a.keyed"
create_topic(KEYED, 4)
for count in (4, 8):
    if count == 8:
        admin.create_partitions({KEYED: NewPartitions(total_count=8)})
        wait_until(lambda: len(admin.describe_topics([KEYED])[0]["partitions"]) == 8, 20, "eight partitions")
        admin.wait_for_topics([KEYED])
    with KafkaProducer(bootstrap_servers=servers) as fresh:
        for number in range(21):
            symbol = SYMBOLS[number % 7]
            fresh.send(KEYED, key=symbol.encode(), value=f"{symbol}, topic of {count}".encode())
        fresh.flush()
partition_bars(KEYED)

# %% [markdown]
# Every symbol that moves lies in two partitions now: its old trades in one, its new ones in another, and no order between the two. Two members
# may handle yesterday's and today's price of one share in either order. Kafka moves no record that is written.
#
# So: choose the number once, for the members that you may need some day. A topic that must grow is better copied into a new one.

# %%
producer.close()
admin.close()

# %% [markdown]
# ## 4. Three brokers, and the death of one
#
# One broker that dies is a log that is gone for that long. So a topic is kept on several. Start a second lab with three brokers, in a folder
# of this lesson. (Its profile `cluster` has a small Spark cluster as well, which is for the next unit.)
# Inside `with another_lab(…)`, `lab` and the lab's helpers mean that one; its servers go on when the block ends.

# %%
import psutil


def broker_processes() -> dict[int, psutil.Process]:
    """The brokers that run in the lab that is meant: number → process."""
    found = ((broker.number, broker.process()) for broker in kafka_server.brokers())
    return {number: process for number, process in found if process is not None}


with another_lab(folder / "cluster"):
    lab("up", "--profile", "cluster")
    cluster = kafka_server.bootstrap_servers()
    brokers = broker_processes()

admin = KafkaAdminClient(bootstrap_servers=cluster, request_timeout_ms=5_000)
for number, broker in brokers.items():
    print("broker", number, "is process", broker.pid)

# %% [markdown]
# A topic with `replication_factor=3` has three **copies** (replicas) of each partition, on three brokers. One of them **leads**: it takes
# all writes, and the others fetch from it. Those that keep up are **in sync** (the ISR, in-sync replicas). Only they may become leader.
#
# `min.insync.replicas=2` says: confirm a write with `acks="all"` only if at least two copies are in sync. Look where they are:

# %%
from lab_utils.teaching.pictures import draw_copies

PRECIOUS = "precious"
admin.create_topics({PRECIOUS: {"num_partitions": 6, "replication_factor": 3, "configs": {"min.insync.replicas": "2"}}})


def copies(topic: str) -> list[dict[str, Any]]:
    """The partitions of a topic as the brokers' metadata say, in their order."""
    return sorted(admin.describe_topics([topic])[0]["partitions"], key=lambda part: part["partition_index"])


def await_copies(topic: str, in_sync: int) -> list[dict[str, Any]]:
    """Wait until each partition has a leader and so many copies in sync; the partitions."""

    def as_wanted() -> list[dict[str, Any]]:
        try:
            parts = copies(topic)
        except KafkaError:  # the broker that was asked has just gone
            return []
        return parts if all(part["leader_id"] > 0 and len(part["isr_nodes"]) == in_sync for part in parts) else []

    return wait_until(as_wanted, 90, f"{in_sync} copies of each partition of {topic}")


placed = await_copies(PRECIOUS, 3)  # not asked for again: another broker may not have heard of the topic yet
print(placed[0])
draw_copies(f"{PRECIOUS}: three copies of six partitions", placed)

# %% [markdown]
# Each broker leads two partitions and follows in four. When one dies, the two others take over the two that it led.
#
# For comparison, four more topics with other settings, of three partitions each:

# %%
CHOICES = {"one copy": (1, 1), "3 copies, min 1": (3, 1), "3 copies, min 2": (3, 2), "3 copies, min 3": (3, 3)}
topics = {choice: f"choice{number}" for number, choice in enumerate(CHOICES)}
for choice, (factor, minimum) in CHOICES.items():
    settings_of_it = {"min.insync.replicas": str(minimum)}
    admin.create_topics(
        {topics[choice]: {"num_partitions": 3, "replication_factor": factor, "configs": settings_of_it}}
    )
    await_copies(topics[choice], factor)
print(topics)

# %% [markdown]
# **The kill.** A thread sends a hundred records a second with `acks="all"` and notes when each is acknowledged. Meanwhile a broker is killed, and
# every 50 ms we ask the others who leads.
#
# In this cluster each broker is also a controller. Leaders of partitions are chosen by the controller that leads the quorum. We spare that one, to see
# one thing at a time.

# %%
import threading

quorum = admin.describe_metadata_quorum()["topics"][0]["partitions"][0]
victim = next(number for number in (2, 3) if number != quorum["leader_id"])
print("the quorum is led by", quorum["leader_id"], "- we kill broker", victim)

careful = KafkaProducer(bootstrap_servers=cluster, acks="all", linger_ms=0, request_timeout_ms=5_000)
acknowledged: list[tuple[int, float, float]] = []  # number, when it was sent, when it was acknowledged
enough = threading.Event()


def note_acknowledgement(number: int, sent: float, _place: object) -> None:
    """Called by the producer when the brokers have confirmed a record."""
    acknowledged.append((number, sent, time.time()))


def send_steadily() -> None:
    """A hundred numbered records a second, dealt out to the six partitions."""
    number = 0
    while not enough.is_set():
        future = careful.send(PRECIOUS, value=b"%d" % number, partition=number % 6)
        future.add_callback(note_acknowledgement, number, time.time())
        number += 1
        enough.wait(0.01)


looks: list[tuple[float, dict[int, tuple[int, list[int]]]]] = []  # when, partition → leader and ISR


def look() -> dict[int, tuple[int, list[int]]]:
    """Who leads and who is in sync, by the metadata."""
    try:
        found = {part["partition_index"]: (part["leader_id"], sorted(part["isr_nodes"])) for part in copies(PRECIOUS)}
    except KafkaError:
        return {}
    looks.append((time.time(), found))
    return found


def is_replaced() -> bool:
    """Whether the victim neither leads nor counts any more."""
    found = look()
    return bool(found) and all(victim != leader and victim not in isr for leader, isr in found.values())


sender = threading.Thread(target=send_steadily, daemon=True)
sender.start()
wait_until(lambda: look() and len(acknowledged) >= 150, 60, "the first acknowledgements")

broker_killed_at = time.time()
brokers[victim].kill()
wait_until(is_replaced, 60, "new leaders")
replaced_at = time.time()

wait_until(lambda: look() and acknowledged[-1][1] > replaced_at + 1, 60, "writes to go on")
enough.set()
sender.join()
careful.flush(timeout=60)
careful.close()
waited = max(acked - sent for _, sent, acked in acknowledged)
print(f"new leaders after {replaced_at - broker_killed_at:.1f} s; the longest wait of a record was {waited:.1f} s")

# %% [markdown]
# What the cluster says of its brokers now. `is_fenced` means cut off: the controller knows it, and gives it nothing to do.

# %%
for described in admin.describe_cluster()["brokers"]:
    print("broker", described["broker_id"], "fenced" if described["is_fenced"] else "takes part")

# %% [markdown]
# Each dot is a record: when it was sent, and how long it waited for its acknowledgement.

# %%
first = acknowledged[0][1]
marks = {"killed": broker_killed_at - first, "new leaders": replaced_at - first}
figure = go.Figure()
for is_led_by_victim, name in ((True, f"led by broker {victim} before"), (False, "led by another")):
    leaders_before = {partition: leader for partition, (leader, _) in looks[0][1].items()}
    own = [entry for entry in acknowledged[::2] if (leaders_before[entry[0] % 6] == victim) == is_led_by_victim]
    figure.add_scatter(
        x=[round(sent - first, 2) for _, sent, _ in own],
        y=[round(acked - sent, 3) for _, sent, acked in own],
        mode="markers",
        marker={"size": 4, "color": COLOURS[1] if is_led_by_victim else COLOURS[0]},
        name=name,
    )
for name, at in marks.items():
    figure.add_vline(x=at, line={"color": "#e5342b", "width": 1.5, "dash": "dash"}, annotation_text=name)
figure.update_layout(LAYOUT, height=340, title="Seconds until the acknowledgement")
figure.update_xaxes(title="seconds", gridcolor=GRID)
figure.update_yaxes(title="seconds waited", gridcolor=GRID)
figure

# %%
spans = []
for partition in range(6):
    since, leader = looks[0][0], looks[0][1][partition][0]
    for moment, found in looks:
        if found[partition][0] != leader or moment == looks[-1][0]:
            spans.append(Span(f"partition {partition}", since - first, moment - first, f"broker {leader}"))
            since, leader = moment, found[partition][0]
draw_spans("Who leads which partition, by the metadata", spans, marks)

# %% [markdown]
# - For some nine seconds the metadata name a dead leader. The controller waits for heartbeats of a broker as a group does for those of its
#   members; the setting is `broker.session.timeout.ms`, by default 9,000. Then it chooses new leaders for all partitions at once.
# - *All* partitions stand still, also those that are led by somebody else. `acks="all"` waits for all copies that are **in sync**, and the dead
#   one counts as such until it is struck off the list.
# - Nothing failed. The producer kept the records and sent them when it could: the slope is the queue, all of it delivered at once. A
#   producer gives up after `delivery_timeout_ms`, two minutes by default. Set it below those nine seconds, and you lose records at each such death.
#
# Is everything there that was acknowledged? Read it all back:

# %%
from kafka import KafkaConsumer, TopicPartition


def read_numbers() -> list[int]:
    """All records of the topic."""
    consumer = KafkaConsumer(bootstrap_servers=cluster)
    places = [TopicPartition(PRECIOUS, number) for number in range(6)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    ends = consumer.end_offsets(places)
    numbers = []
    while any(consumer.position(place) < ends[place] for place in places):
        for batch in consumer.poll(timeout_ms=500).values():
            numbers += [int(record.value) for record in batch]
    consumer.close()
    return numbers


stored = read_numbers()
print(
    len(acknowledged), "acknowledged,", len({number for number, _, _ in acknowledged} - set(stored)), "of them missing,"
)
print(len(stored) - len(set(stored)), "stored twice")
draw_copies(f"{PRECIOUS}: after the death of broker {victim}", copies(PRECIOUS))

# %% [markdown]
# Nothing missing, and nothing twice, though the producer sent again what had not been confirmed: kafka-python's producer is **idempotent**
# by default. It numbers its records, so that a broker knows one that it has already.
#
# Now the other topics. One broker is dead. Which of them still take a write? This producer does not try again (`retries=0`), so that we hear
# the first answer. A partition without a leader gives no answer; we wait two seconds for it.

# %%
hasty = KafkaProducer(
    bootstrap_servers=cluster,
    acks="all",
    enable_idempotence=False,
    retries=0,
    linger_ms=0,
    request_timeout_ms=1_900,
    delivery_timeout_ms=2_000,
    max_block_ms=20_000,
)


def answers_to_writes(topic: str, partitions: int) -> list[str]:
    """What comes of one record for each partition."""
    sent = [hasty.send(topic, value=b"0", partition=number) for number in range(partitions)]
    found = []
    for future in sent:
        try:
            future.get(timeout=10)
            found.append("written")
        except KafkaError as error:
            found.append(type(error).__name__.removesuffix("Error"))
    return found


for choice, topic in topics.items():
    print(f"{choice:16}", *answers_to_writes(topic, 3), sep="  ")

# %% [markdown]
# - **One copy:** the partition of the dead broker has no leader. No writes, no reads, and whatever was in it is away.
# - **3 copies, min 3:** `NotEnoughReplicas`. All partitions have a leader, and refuse on purpose. You asked for three copies of each
#   record, and there are two brokers. Nothing is in danger, and nothing moves.
# - **3 copies, min 1:** takes everything, also when a single copy is left. When that broker dies as well, acknowledged records are
#   away, and if its disk is gone they are lost. `min.insync.replicas` is 1 unless you say otherwise.
# - **3 copies, min 2:** one may die, and writes go on into two copies. That is why this is the usual pair.
#
# **Kill another.** One broker is left. By what you have just read, the topic with min 2 should answer `NotEnoughReplicas`. Does it?

# %%
survivor = next(number for number in brokers if number not in (victim, quorum["leader_id"]))
second = quorum["leader_id"]
brokers[second].kill()
brokers[second].wait()
print("broker", survivor, "is left")
print("writes:", *answers_to_writes(PRECIOUS, 6), sep="  ")
print("it still says who leads:", [part["leader_id"] for part in copies(PRECIOUS)])
print("and who is in sync:     ", [sorted(part["isr_nodes"]) for part in copies(PRECIOUS)])
try:
    admin.describe_metadata_quorum()
except KafkaError as error:
    print("the quorum:", type(error).__name__)

# %% [markdown]
# It does not even refuse. Two of three brokers were two of three **controllers**, and with them the majority is gone. Nobody can strike the second
# dead broker off a list, nobody can choose a leader: what the survivor says is how things were. It waits for a copy that never comes, and the
# producer runs into its timeout.
#
# That is right so. A minority must not decide: it cannot tell two dead brokers from a cut cable, on whose other side two others go on. In
# production the controllers are three or five processes of their own (`process.roles=controller`), on other machines than the brokers. Then two brokers may die, the
# controllers note it, and the third one answers `NotEnoughReplicas` as it should.
#
# Start the two again. `lab("up")` starts what does not run; while it does, we go on asking the metadata.

# %%
hasty.close()
looks.clear()
started_at = time.time()
with another_lab(folder / "cluster"):
    starter = threading.Thread(target=lab, args=["up"])
    starter.start()
    wait_until(lambda: [len(isr) for _, isr in look().values()] == [3] * 6, 90, "all copies to be in sync")
    starter.join()

shown_before: list[int] = []
for moment, found in looks:
    in_sync = [len(isr) for _, (_, isr) in sorted(found.items())]
    if in_sync != shown_before:
        print(f"{moment - started_at:5.1f} s  copies in sync, partition by partition: {in_sync}")
    shown_before = in_sync
draw_copies(f"{PRECIOUS}: all are back", copies(PRECIOUS))

# %% [markdown]
# Those that were away have fetched what they had missed, and count as in sync again. On the way the numbers may go up and down. A broker that has
# just started answers with what it has read of the metadata so far; and one that starts anew leaves the list until it has caught up. The leaders may be unevenly spread now. Each partition has a
# **preferred** leader, the first of its copies; every five minutes the controller gives leadership back to it.
#
# And the records?

# %%
stored = read_numbers()
print(len({number for number, _, _ in acknowledged} - set(stored)), "acknowledged records are missing")
admin.close()
with another_lab(folder / "cluster"):
    lab("down")

# %% [markdown]
# ## 5. ZooKeeper and KRaft, side by side
#
# Who keeps the list of brokers, topics and leaders? Until Kafka 3.9 that could be **ZooKeeper**, a separate system. You will meet it in older installations.
# Here is the last Kafka that can, with its ZooKeeper. (The first time, this fetches 50 MB.)

# %%
from lab_utils import stack
from lab_utils.servers import jars, profiles, zookeeper_server


def start_and_measure(profile: profiles.Profile) -> tuple[str, int, float]:
    """Start the lab that is meant; its processes, their memory in MB, and how many seconds it took."""
    profiles.choose(profile)
    jars.fetch_jars()  # not part of a start
    began = time.monotonic()
    lab("up")
    seconds = time.monotonic() - began
    running = {server.name: server.memory_mb or 0 for server in stack.status() if server.name != "postgres"}
    return ", ".join(running), sum(running.values()), seconds


with another_lab(folder / "zookeeper"):
    with_zookeeper = start_and_measure(profiles.Profile.zookeeper)
    old_kafka, zookeeper_address = kafka_server.bootstrap_servers(), zookeeper_server.address()
    old_broker = broker_processes()[1]
print(with_zookeeper)

# %% [markdown]
# ZooKeeper keeps a tree of small nodes, **znodes**, each with a few bytes in it. `kazoo` is a Python client of it. A topic first, so that there is something to see:

# %%
from kazoo.client import KazooClient

old_admin = KafkaAdminClient(bootstrap_servers=old_kafka)
old_admin.create_topics({"prices": {"num_partitions": 2, "replication_factor": 1}})
old_admin.wait_for_topics(["prices"])

zookeeper = KazooClient(hosts=zookeeper_address)
zookeeper.start()
print("at the root:", sorted(zookeeper.get_children("/")))

PATHS = ["/brokers/ids/1", "/controller", "/brokers/topics/prices", "/brokers/topics/prices/partitions/0/state"]
for path in PATHS:
    data, about = zookeeper.get(path)
    print(f"\n{path}  ({'ephemeral' if about.ephemeralOwner else 'stays'})")
    print("  ", data.decode())

# %% [markdown]
# - `/brokers/ids/1`: this broker is alive, and here is its address. The node is **ephemeral**: it lives as long as the session of the client that made
#   it, which is the broker.
# - `/controller`: which broker is the controller. Ephemeral too. The first broker that manages to create it *is* the controller; there is no other election.
# - `/brokers/topics/…` and the `state` of each partition with its leader and ISR: they stay.
#
# Kill the broker. It cannot remove anything, so ZooKeeper must find out. How long does it wait? The broker's setting says:

# %%
from kafka.admin import ConfigResource, ConfigResourceType

answer = old_admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1")], config_filter="all")
timeout_ms = int(answer["broker"]["1"]["zookeeper.session.timeout.ms"]["value"])
old_admin.close()
print("zookeeper.session.timeout.ms:", timeout_ms)

killed_at = time.time()
old_broker.kill()
wait_until(lambda: not zookeeper.get_children("/brokers/ids"), 60 + timeout_ms / 1000, "the znode to vanish", every=0.1)
vanished = time.time() - killed_at
print(f"vanished after {vanished:.1f} s")
for path in PATHS:
    print(f"{path:45}", "is still there" if zookeeper.exists(path) else "is gone")

# %% [markdown]
# The two ephemeral nodes are gone. (The time counts from the broker's last sign of life, which was up to some seconds before
# its death, and ZooKeeper looks for dead sessions in steps of its `tickTime`: so it may be somewhat less, or more.) The rest is as it was, and says that
# broker 1 leads. With a second broker, that one would now create `/controller`, read the whole tree, and write a new leader into each
# `state`. With many thousands of partitions that took long, and was a reason to replace it (KIP-500).
#
# Now the same questions to a Kafka of today. **KRaft** is Raft for Kafka: the controllers keep one log, agree on each record of it, and every
# broker reads along.

# %%
zookeeper.stop()
zookeeper.close()
with another_lab(folder / "zookeeper"):
    lab("down")

with another_lab(folder / "kraft"):
    with_kraft = start_and_measure(profiles.Profile.embedded)
    new_kafka = kafka_server.bootstrap_servers()
print(with_kraft)

new_admin = KafkaAdminClient(bootstrap_servers=new_kafka)
new_admin.create_topics({"prices": {"num_partitions": 2, "replication_factor": 1}})
new_admin.wait_for_topics(["prices"])
print("brokers:", new_admin.describe_cluster()["brokers"])
metadata = new_admin.describe_metadata_quorum()["topics"][0]["partitions"][0]
print("controller:", metadata["leader_id"], "of", [voter["replica_id"] for voter in metadata["current_voters"]])
new_admin.close()

log_file = folder / "kraft" / "kafka" / "data" / "__cluster_metadata-0" / "00000000000000000000.log"
print(log_file.relative_to(folder), "has", f"{log_file.stat().st_size:,}", "bytes")

# %% [markdown]
# Ask the *quorum* for the controller, as the cell does. `describe_cluster` has a `controller_id` as well, but with KRaft that is the number of any
# broker: clients are not to talk to controllers.
#
# The list is a file like that of any partition. A tool of Kafka's prints its records. Of each kind, the first:

# %%
from lab_utils.servers.jars import class_path
from lab_utils.servers.java import find_java

command = [str(find_java().executable), "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=OFF", "-cp", class_path("kafka")]
command += ["kafka.tools.DumpLogSegments", "--cluster-metadata-decoder", "--files", str(log_file)]
dumped = subprocess.run(command, capture_output=True, text=True, check=True).stdout

records = [json.loads(line.split("payload: ", 1)[1]) for line in dumped.splitlines() if "payload: " in line]
for kind in ("REGISTER_BROKER_RECORD", "BROKER_REGISTRATION_CHANGE_RECORD", "TOPIC_RECORD", "PARTITION_RECORD"):
    record = next(record for record in records if record["type"] == kind)
    print(f"{kind}\n   {json.dumps(record['data'])[:230]}")

with another_lab(folder / "kraft"):
    lab("down")

# %% [markdown]
# The same facts: the address of a broker, a topic, the leader and ISR of a partition. Here they are a history, not a state. When a broker is missing, nothing is deleted. A
# record is added that says `fenced` (cut off), as the `BROKER_REGISTRATION_CHANGE_RECORD` here says that the broker is fenced no longer.
# You have seen it at work in section 4.
#
# Side by side:

# %%
import pandas as pd

rows = {
    "who is alive": ("ephemeral znodes in /brokers/ids", "heartbeats to the controller"),
    "topics, leaders, ISR": ("znodes in /brokers/topics", "records in __cluster_metadata"),
    "who is controller": ("who made /controller first", "elected by a majority of the voters"),
    "when a broker dies": (
        f"its znode vanished after {vanished:.0f} s",
        f"new leaders after {replaced_at - broker_killed_at:.0f} s",
    ),
    "processes": (with_zookeeper[0], with_kraft[0]),
    "memory, MB": (with_zookeeper[1], with_kraft[1]),
    "start, s": (round(with_zookeeper[2], 1), round(with_kraft[2], 1)),
}
pd.DataFrame.from_dict(rows, orient="index", columns=["ZooKeeper", "KRaft"])

# %% [markdown]
# The memory and the time are those of one broker each (of the time, a part is PostgreSQL's, in both), and both Kafkas have the same heap. The two waits
# come from two defaults, 18 and 9 seconds, each counted from the last sign of life; they do not say which is better. What is: one system less to run, to secure and to
# understand, and new leaders for all partitions at once.
#
# ## What you have learnt
#
# - A partition has one reader in a group. More members than partitions stand idle.
# - A member that says goodbye is replaced at once, one that is killed only after `session_timeout_ms`.
# - The next owner starts at the last commit. Commit what is handled when partitions are taken away, and a polite hand-over repeats nothing. After a kill something is
#   always repeated: **at least once**.
# - More partitions later move keys, and their order is lost.
# - Three copies, `min.insync.replicas=2` and `acks="all"`: one broker may die, writes wait for some seconds, nothing acknowledged is lost.
# - With too few copies in sync, writes are refused on purpose. With no majority of controllers, nothing can be decided at all.
# - ZooKeeper kept this list as a tree that vanishes in parts; KRaft keeps it as a log.
#
# **Next:** the exercises. The cell below copies them; open `12a_groups.ipynb` in the folder `work`. After them comes unit 12b, which shares out
# the work of Spark.

# %%
lab("exercise", "start", "12a")
