# The exercises of unit 01, with their solutions. Build: lab build

# %% [markdown]
# # 01 Kafka: exercises
#
# Six functions, from easy to hard. Write each in the place of the `...`, run its cell and the cell with the check below it.
#
# The check tries your function on the lab's own broker, with topics it makes for the purpose and input that you have not seen.
# Any function that does the job passes; how it is written does not matter. When you are stuck, `hint("01.1")`.
#
# Start the servers first:

# %%
from lab_utils.teaching import check, hint, lab, progress, reveal

lab("up")

# %% tags=["setup"]
import json
from datetime import datetime
from pathlib import Path

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

# %% [markdown]
# ## 01.1 Create a topic
#
# `create_topic` makes a topic with `partitions` partitions, whose records are kept for `keep_hours` hours. There is one broker, so
# one copy.


# %%
### BEGIN SOLUTION 01.1
def create_topic(admin: KafkaAdminClient, name: str, partitions: int, keep_hours: int) -> None:
    """Create the topic `name`."""
    settings = {"retention.ms": str(keep_hours * 3_600_000)}
    admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1, "configs": settings}})


### END SOLUTION
### BEGIN STUB
# def create_topic(admin: KafkaAdminClient, name: str, partitions: int, keep_hours: int) -> None:
#     """Create the topic `name`."""
#     ...
### END STUB

# %%
check("01.1", create_topic)

# %% [markdown] tags=["solution"]
# `retention.ms` is text like all settings of a topic, and counts milliseconds. A factor of a thousand is easily lost: two
# hours would be 7.2 seconds, and nothing says so until records are missing.

# %% [markdown]
# ## 01.2 Send ticks
#
# `send_ticks` sends each tick as JSON with its `symbol` as key. When it returns, all of them must have arrived: the program may
# end right behind it.


# %%
### BEGIN SOLUTION 01.2
def send_ticks(producer: KafkaProducer, topic: str, ticks: list[dict[str, str]]) -> None:
    """Send `ticks`, each a dictionary such as {"symbol": "BTC", "price": "73843.24"}, in their order."""
    for tick in ticks:
        producer.send(topic, key=tick["symbol"].encode(), value=json.dumps(tick).encode())
    producer.flush()


### END SOLUTION
### BEGIN STUB
# def send_ticks(producer: KafkaProducer, topic: str, ticks: list[dict[str, str]]) -> None:
#     """Send `ticks`, each a dictionary such as {"symbol": "BTC", "price": "73843.24"}, in their order."""
#     ...
### END STUB

# %%
check("01.2", send_ticks)

# %% [markdown]
# ## 01.3 Read from a place
#
# `read_records` returns the values of exactly `count` records of one partition, from the offset `first` on. The partition holds at
# least so many from there on. `count` may be more than a thousand.


# %%
### BEGIN SOLUTION 01.3
def read_records(servers: str, topic: str, partition: int, first: int, count: int) -> list[bytes]:
    """Read `count` values from `first` on; `servers` is the address of the broker."""
    consumer = KafkaConsumer(bootstrap_servers=servers)
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    consumer.seek(place, first)
    values: list[bytes] = []
    while len(values) < count:
        for records in consumer.poll(timeout_ms=500).values():
            values += [record.value for record in records]
    consumer.close()
    return values[:count]


### END SOLUTION
### BEGIN STUB
# def read_records(servers: str, topic: str, partition: int, first: int, count: int) -> list[bytes]:
#     """Read `count` values from `first` on; `servers` is the address of the broker."""
#     return ...
### END STUB

# %%
check("01.3", read_records)

# %% [markdown] tags=["solution"]
# `poll` returns what has come so far, which may be nothing, is 500 records at most unless it is told otherwise, and may be more than was asked for:
# hence the loop and the slice.

# %% [markdown]
# ## 01.4 The lag of a group
#
# `lag` says how many records each partition holds that the group has not done yet, as `{partition: records}`. Where the group has
# never committed, all records that the partition still holds count. Mind that the oldest ones may have been deleted already.


# %%
### BEGIN SOLUTION 01.4
def lag(servers: str, group: str, topic: str) -> dict[int, int]:
    """The records of each partition of `topic` that `group` has still to read."""
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
    left: dict[int, int] = {}
    for place in places:
        committed = consumer.committed(place)
        position = starts[place] if committed is None else committed
        left[place.partition] = ends[place] - position
    consumer.close()
    return left


### END SOLUTION
### BEGIN STUB
# def lag(servers: str, group: str, topic: str) -> dict[int, int]:
#     """The records of each partition of `topic` that `group` has still to read."""
#     return ...
### END STUB

# %%
check("01.4", lag)

# %% [markdown]
# ## 01.5 Back to a moment
#
# A consumer had a bug from half past two on. Where must it start again? `offsets_at` gives for each partition the offset of the
# first record whose timestamp is `moment` or later. Where there is none, it gives the offset that the next record will get.


# %%
### BEGIN SOLUTION 01.5
def offsets_at(servers: str, topic: str, moment: datetime) -> dict[int, int]:
    """Partition → the offset to start at; `moment` has a time zone."""
    consumer = KafkaConsumer(bootstrap_servers=servers)
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    milliseconds = int(moment.timestamp() * 1000)
    found = consumer.offsets_for_times(dict.fromkeys(places, milliseconds))
    ends = consumer.end_offsets(places)
    consumer.close()
    return {place.partition: found[place].offset if found[place] else ends[place] for place in places}


### END SOLUTION
### BEGIN STUB
# def offsets_at(servers: str, topic: str, moment: datetime) -> dict[int, int]:
#     """Partition → the offset to start at; `moment` has a time zone."""
#     return ...
### END STUB

# %%
check("01.5", offsets_at)

# %% [markdown]
# ## 01.6 Your own broker
#
# `broker_properties` writes the configuration of a single broker that is its own controller: clients on `port`, controllers on
# `controller_port`, both on 127.0.0.1 alone, and its data below `folder`. Who votes is said by `controller.quorum.voters`, as in the lesson. Consumer
# groups must work on it.
#
# The check formats a folder and starts a broker with what you wrote. It says what it is waiting for.


# %%
### BEGIN SOLUTION 01.6
def broker_properties(folder: Path, port: int, controller_port: int) -> str:
    """The text of a server.properties."""
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{controller_port}",
            f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "controller.listener.names=CONTROLLER",
            f"log.dirs={(folder / 'data').as_posix()}",
            "offsets.topic.replication.factor=1",
        ]
    )


### END SOLUTION
### BEGIN STUB
# def broker_properties(folder: Path, port: int, controller_port: int) -> str:
#     """The text of a server.properties."""
#     return ...
### END STUB

# %%
check("01.6", broker_properties)

# %% [markdown]
# ## How far am I?

# %%
progress()
