# The exercises of unit 12a, with their solutions. Build: lab build

# %% [markdown]
# # 12a Scaling out Kafka: exercises
#
# Six functions, from easy to hard. Write each in the place of the `...`, run its cell and the cell with the check below it.
#
# The checks use the lab's own broker, with topics and groups made for the purpose, and members that really run. Any function that does the job
# passes; how it is written does not matter. When you are stuck, `hint("12a.1")`.
#
# Start the servers first:

# %%
from lab_utils.teaching import check, hint, lab, progress, reveal

lab("up")

# %% tags=["setup"]
from collections.abc import Callable
from typing import Any

from kafka import AsyncConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.partitioner import murmur2
from kafka.structs import OffsetAndMetadata

# %% [markdown]
# ## 12a.1 Who reads what
#
# `who_reads` asks the broker which partitions of `topic` the members of `group` have at this moment, as `{client_id: {partition, …}}`. A member that
# has none of this topic is there, with an empty set. Two members may have the same `client_id`, for instance because nobody set one; then it
# stands for both. A group without members gives `{}`.


# %%
### BEGIN SOLUTION 12a.1
def who_reads(servers: str, group: str, topic: str) -> dict[str, set[int]]:
    """The partitions of `topic` that each client of `group` has; `servers` is the address of the broker."""
    admin = KafkaAdminClient(bootstrap_servers=servers)
    described = admin.describe_groups([group])[group]
    admin.close()
    found: dict[str, set[int]] = {}
    for member in described["members"]:
        own = found.setdefault(member["client_id"], set())
        for assigned in member["member_assignment"]["assigned_partitions"]:
            if assigned["topic"] == topic:
                own.update(assigned["partitions"])
    return found


### END SOLUTION
### BEGIN STUB
# def who_reads(servers: str, group: str, topic: str) -> dict[str, set[int]]:
#     """The partitions of `topic` that each client of `group` has; `servers` is the address of the broker."""
#     return ...
### END STUB

# %%
check("12a.1", who_reads)

# %% [markdown]
# ## 12a.2 Who is behind
#
# Somebody complains that some prices come late. Which member is it? `behind` gives for each `client_id` how many records of `topic` lie in its partitions that the group has not
# committed, as `{client_id: records}`. Where the group has never committed, all records that the partition still holds count. A member
# without partitions has 0. (The client ids differ here.)


# %%
### BEGIN SOLUTION 12a.2
def behind(servers: str, group: str, topic: str) -> dict[str, int]:
    """The records that each client of `group` has still to do in `topic`."""
    admin = KafkaAdminClient(bootstrap_servers=servers)
    members = admin.describe_groups([group])[group]["members"]
    committed = admin.list_group_offsets(group)[group]
    admin.close()
    consumer = KafkaConsumer(bootstrap_servers=servers)
    left: dict[str, int] = {}
    for member in members:
        places = [
            TopicPartition(topic, number)
            for assigned in member["member_assignment"]["assigned_partitions"]
            if assigned["topic"] == topic
            for number in assigned["partitions"]
        ]
        starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        left[member["client_id"]] = sum(
            ends[place] - (committed[place].offset if place in committed else starts[place]) for place in places
        )
    consumer.close()
    return left


### END SOLUTION
### BEGIN STUB
# def behind(servers: str, group: str, topic: str) -> dict[str, int]:
#     """The records that each client of `group` has still to do in `topic`."""
#     return ...
### END STUB

# %%
check("12a.2", behind)

# %% [markdown] tags=["solution"]
# The admin client reads the commits of a group without being one of its members. A consumer with that `group_id` could do it as well. It must not
# `subscribe`: then it would join, and everybody's partitions would be dealt out anew.

# %% [markdown]
# ## 12a.3 Which keys move
#
# A topic is to grow from `before` to `after` partitions. `movers` says which of these symbols will be sent elsewhere from then on, as
# `{symbol: (old partition, new partition)}`; those that stay are not in it. The key of a record is its symbol in UTF-8, and the producers use kafka-python's default partitioner.


# %%
### BEGIN SOLUTION 12a.3
def movers(symbols: list[str], before: int, after: int) -> dict[str, tuple[int, int]]:
    """The symbols that move, with the partition they leave and the one they go to."""
    found = {}
    for symbol in symbols:
        number = murmur2(symbol.encode()) & 0x7FFFFFFF
        old, new = number % before, number % after
        if old != new:
            found[symbol] = (old, new)
    return found


### END SOLUTION
### BEGIN STUB
# def movers(symbols: list[str], before: int, after: int) -> dict[str, tuple[int, int]]:
#     """The symbols that move, with the partition they leave and the one they go to."""
#     return ...
### END STUB

# %%
check("12a.3", movers)

# %% [markdown] tags=["solution"]
# The hash has 32 bits. Java's numbers have a sign, so its partitioner drops the highest bit, and kafka-python does the same to agree with it. With 4
# or 8 partitions one does not notice when that is forgotten: the lowest bits decide. With 6 one does.

# %% [markdown]
# ## 12a.4 Settings for a number of deaths
#
# Any `failures` brokers may die at the same moment, and their disks with them. `topic_for` gives the settings of a topic that bears it, as `create_topics` wants them for one
# topic: a dictionary of `num_partitions`, `replication_factor` and `configs`. Producers write with `acks="all"`.
#
# - No record that was acknowledged may be lost, not even one that was acknowledged when as few copies were in sync as the settings allow.
# - If all copies were in sync before, writes go on without those brokers.
# - No more copies than it takes.


# %%
### BEGIN SOLUTION 12a.4
def topic_for(partitions: int, failures: int) -> dict[str, Any]:
    """The settings of a topic that bears the death of `failures` brokers."""
    minimum = failures + 1
    return {
        "num_partitions": partitions,
        "replication_factor": minimum + failures,
        "configs": {"min.insync.replicas": str(minimum)},
    }


### END SOLUTION
### BEGIN STUB
# def topic_for(partitions: int, failures: int) -> dict[str, Any]:
#     """The settings of a topic that bears the death of `failures` brokers."""
#     return ...
### END STUB

# %%
check("12a.4", topic_for)

# %% [markdown] tags=["solution"]
# A record may be acknowledged in `min.insync.replicas` copies. One more than can die must have it. And so many must be left
# when they have died, for writes to go on. That gives 3 and 2 for one broker, 5 and 3 for two.

# %% [markdown]
# ## 12a.5 Partitions in danger
#
# `in_danger` looks at topics as `admin.describe_topics()` gives them, and at the `min.insync.replicas` of each, and names the
# partitions that somebody should look after: `{(topic, partition): what}`. `what` is the worst that is true:
#
# - `"no leader"`: it can neither be read nor written,
# - `"no writes"`: it has a leader, but fewer copies in sync than the minimum,
# - `"copies missing"`: it takes writes, but not all of its copies are in sync.
#
# A partition that is well is not in it. In the notebook of the lesson you find such a description printed in section 4. The partition that has no leader looks like this:
# ```
# {'error_code': 5, 'partition_index': 2, 'leader_id': -1, 'leader_epoch': 1, 'replica_nodes': [3], 'isr_nodes': [], 'offline_replicas': [3]}
# ```
# With other versions of Kafka its `isr_nodes` still name the last one that was in sync.


# %%
### BEGIN SOLUTION 12a.5
def in_danger(topics: list[dict[str, Any]], minimum: dict[str, int]) -> dict[tuple[str, int], str]:
    """What is wrong with which partition; `minimum` is topic → its `min.insync.replicas`."""
    found = {}
    for topic in topics:
        for part in topic["partitions"]:
            place = (topic["name"], part["partition_index"])
            if part["leader_id"] == -1:
                found[place] = "no leader"
            elif len(part["isr_nodes"]) < minimum[topic["name"]]:
                found[place] = "no writes"
            elif len(part["isr_nodes"]) < len(part["replica_nodes"]):
                found[place] = "copies missing"
    return found


### END SOLUTION
### BEGIN STUB
# def in_danger(topics: list[dict[str, Any]], minimum: dict[str, int]) -> dict[tuple[str, int], str]:
#     """What is wrong with which partition; `minimum` is topic → its `min.insync.replicas`."""
#     return ...
### END STUB

# %%
check("12a.5", in_danger)

# %% [markdown]
# ## 12a.6 A member that hands over cleanly
#
# `read_together` reads `topic` as one member of a group until `is_over()` is true, and calls `handle(record)` for each record, in the order of
# each partition. The consumer is made already: it has its group, starts at the earliest record where nothing was committed, and commits nothing
# by itself. Ask `is_over()` often, at least once in each round.
#
# - When another member comes or goes, **no record may be handled twice, and none left out**: what was handled is committed when partitions are
#   taken away, and at the end.
# - What was **not** handled is not committed. `handle` may raise; then `read_together` ends with that exception, and the record will be handled by
#   the next member.
# - However it ends, it leaves the group politely.


# %%
### BEGIN SOLUTION 12a.6
def read_together(
    consumer: KafkaConsumer, topic: str, handle: Callable[[Any], None], is_over: Callable[[], bool]
) -> None:
    """Handle records of `topic` as a member of the consumer's group until `is_over()`."""
    handled: dict[TopicPartition, OffsetAndMetadata] = {}

    class HandOver(AsyncConsumerRebalanceListener):
        async def on_partitions_assigned(self, _assigned: set[TopicPartition]) -> None:
            handled.clear()

        async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
            await consumer.commit_async(dict(handled))

    consumer.subscribe([topic], listener=HandOver())
    try:
        while not is_over():
            for place, records in consumer.poll(timeout_ms=200).items():
                for record in records:
                    handle(record)
                    handled[place] = OffsetAndMetadata(record.offset + 1, "", -1)
    finally:
        consumer.close()


### END SOLUTION
### BEGIN STUB
# def read_together(
#     consumer: KafkaConsumer, topic: str, handle: Callable[[Any], None], is_over: Callable[[], bool]
# ) -> None:
#     """Handle records of `topic` as a member of the consumer's group until `is_over()`."""
#     ...
### END STUB

# %%
check("12a.6", read_together)

# %% [markdown] tags=["solution"]
# `commit_async()` without offsets would commit what `poll` has handed out, so that after an exception the rest of the batch is lost. `handled` is emptied after each rebalance: an offset of a
# partition that somebody else has by now would set *his* commit back.
#
# For the last commit nothing is needed here: `close()` takes the partitions away like any rebalance. A member that the broker has given up, because its
# session timed out, is told by `on_partitions_lost` instead. Unless you write that method, it calls `on_partitions_revoked`, and the commit there is refused: the
# member has nothing to say any more.

# %% [markdown]
# ## How far am I?

# %%
progress()
