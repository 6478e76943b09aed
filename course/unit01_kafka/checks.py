"""What the exercises of unit 01 check."""

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from lab_utils import kafka_utils
from lab_utils.servers import kafka_server, processes
from lab_utils.servers.jars import class_path
from lab_utils.servers.java import find_java
from lab_utils.teaching.trial import Trial, short
from lab_utils.teaching.units import exercise

TITLE = "Kafka: spinning up a broker"
MINUTES = 40

HOUR = 3_600_000
"""In milliseconds."""

SETTLE_SECONDS = 3.0
"""The broker learns of a change from the controller's log, a moment after the controller has taken it."""


@exercise(
    "01.1",
    "Create a topic",
    needs=["kafka"],
    hints=[
        "`admin.create_topics` takes a dictionary: the name of the topic → what it is to be like. The lesson does it once, "
        "without settings of the topic.",
        "Settings go under `configs`, as text. The one for the age of records is `retention.ms`, in milliseconds.",
        "    admin.create_topics({name: {\n"
        '        "num_partitions": …,\n'
        '        "replication_factor": 1,\n'
        '        "configs": {"retention.ms": str(…)},\n'
        "    }})",
    ],
    equivalent_mutants={
        "'replication_factor' → 'replication_factorx'": "without the factor the broker takes its default, which is 1 here",
    },
)
def check_create_topic(trial: Trial, create_topic: Callable[..., object]) -> None:
    trial.is_callable(create_topic, "create_topic")
    for partitions, hours in ((3, 2), (5, 48)):
        _check_topic(trial, create_topic, partitions, hours)


def _check_topic(trial: Trial, create_topic: Callable[..., object], partitions: int, hours: int) -> None:
    topic = trial.name(f"p{partitions}")
    trial.stage("the topic exists")
    given = f'create_topic(admin, "{topic}", partitions={partitions}, keep_hours={hours})'
    trial.call(create_topic, trial.broker.admin(), topic, partitions, hours, given=given)
    appears = trial.comes(lambda: topic in trial.broker.topics(), SETTLE_SECONDS, "the topic")
    assert appears, f"After {given} the broker has no topic of that name."
    trial.stage("partitions")
    trial.comes(lambda: trial.broker.partitions(topic) == partitions, SETTLE_SECONDS, "the partitions")
    count = trial.broker.partitions(topic)
    assert count == partitions, f"After {given} the topic has {count} partitions."
    trial.stage("retention")
    trial.comes(lambda: _kept(trial, topic) == hours * HOUR, SETTLE_SECONDS, "the setting")
    kept = _kept(trial, topic)
    assert kept == hours * HOUR, f"After {given} the topic keeps its records for {kept:,} milliseconds."


def _kept(trial: Trial, topic: str) -> int:
    """How many milliseconds the broker says that it keeps the records of a topic."""
    return int(trial.broker.setting(topic, "retention.ms") or 0)


TICKS = [
    {"symbol": "BTC", "price": "73843.24"},
    {"symbol": "ETH", "price": "2411.38"},
    {"symbol": "BTC", "price": "73840.10"},
    {"symbol": "NESN.SW", "price": "81.02"},
    {"symbol": "ETH", "price": "2411.90"},
    {"symbol": "BTC", "price": "73851.77"},
    {"symbol": "SOL", "price": "148.20"},
    {"symbol": "SOL", "price": "148.05"},
]


@exercise(
    "01.2",
    "Send ticks",
    needs=["kafka"],
    hints=[
        "One `producer.send` a tick. Kafka knows bytes alone: both key and value must be made into bytes.",
        'A text becomes bytes with `.encode()`, a dictionary becomes text with `json.dumps`. The key is `tick["symbol"]`.',
        "`send` puts a record into a buffer. What makes the producer send all of it now, and wait? "
        "The lesson says so at the end of its section 3.",
    ],
)
def check_send_ticks(trial: Trial, send_ticks: Callable[..., object]) -> None:
    trial.is_callable(send_ticks, "send_ticks")
    topic = trial.name("ticks")
    trial.broker.create_topic(topic, 3)
    producer, sent = trial.broker.watched_producer(linger_ms=700)
    trial.stage("all arrive")
    trial.call(send_ticks, producer, topic, [dict(tick) for tick in TICKS])
    waiting = [future for future in sent if not future.is_done]
    assert not waiting, (
        f"When your function returned, {len(waiting)} of {len(sent)} records were still in the producer's buffer: they are "
        "lost if the program ends there."
    )
    records = trial.broker.records(topic)
    assert len(records) == len(TICKS), (
        f"You were given {len(TICKS)} ticks, and when your function had returned {len(records)} records were in the topic."
    )
    trial.stage("values")
    for record in records:
        try:
            value = json.loads(record.value or b"")
        except ValueError:
            raise AssertionError(f"This value is not JSON: {short(record.value)}.") from None
        assert value in TICKS, f"This value is none of the ticks you were given: {short(value)}."
    read_back = [json.loads(record.value or b"") for record in records]
    missing = [tick for tick in TICKS if tick not in read_back]
    assert not missing, f"{len(missing)} of the ticks were not sent, and others more than once."
    trial.stage("keys")
    for record, value in zip(records, read_back, strict=True):
        assert record.key is not None, f"The record {short(value)} has no key."
        assert record.key == value["symbol"].encode(), f"The record {short(value)} has the key {short(record.key)}."
    trial.stage("order")
    for symbol in {tick["symbol"] for tick in TICKS}:
        read = [value["price"] for value in read_back if value["symbol"] == symbol]
        given = [tick["price"] for tick in TICKS if tick["symbol"] == symbol]
        assert read == given, (
            f"The prices of {symbol} are read in another order than you were given them: {short(read)}."
        )


@exercise(
    "01.3",
    "Read from a place",
    needs=["kafka"],
    seconds=12,
    hints=[
        "A consumer that is told its partition with `assign` can be moved with `seek`. Neither needs a group.",
        "`consumer.poll(timeout_ms=…)` returns a dictionary: partition → list of records. It may be empty, and it may hold "
        "more than you want. It gives 500 records at most at a time.",
        "    consumer = KafkaConsumer(bootstrap_servers=servers)\n"
        "    place = TopicPartition(topic, partition)\n"
        "    consumer.assign([place])\n"
        "    …  # go to `first`\n"
        "    values = []\n"
        "    while …:\n"
        "        for records in consumer.poll(timeout_ms=500).values():\n"
        "            …",
    ],
    equivalent_mutants={
        "500 → 501": "how long a poll may wait does not change what is read",
        "consumer.poll(timeout_ms=500) → without timeout_ms=500": "it then asks again at once; slower for the machine only",
        "consumer.close() → removed": "the consumer is closed when Python ends",
    },
)
def check_read_records(trial: Trial, read_records: Callable[..., Any]) -> None:
    trial.is_callable(read_records, "read_records")
    topic = trial.name("log")
    trial.broker.create_topic(topic, 3)
    now = _now_ms()
    sizes = {0: 1500, 1: 20, 2: 20}
    trial.broker.send(
        topic, [(at, None, _trade(at, offset), now) for at, size in sizes.items() for offset in range(size)]
    )
    for partition, first, count in ((1, 5, 4), (2, 0, 3), (2, 17, 3), (0, 100, 1300)):
        trial.stage("returns a list")
        given = f"read_records(servers, topic, partition={partition}, first={first}, count={count})"
        values = trial.call(read_records, trial.broker.address, topic, partition, first, count, given=given)
        assert isinstance(values, list), f"{given} returned {short(values)}, which is no list."
        trial.stage("count")
        assert len(values) == count, f"{given} returned {len(values)} values."
        trial.stage("values")
        assert all(isinstance(value, bytes) for value in values), (
            f"{given} returned {short(values)}; the value of a record is bytes."
        )
        wanted = [_trade(partition, offset) for offset in range(first, first + count)]
        assert set(values) <= {_trade(partition, offset) for offset in range(sizes[partition])}, (
            f"{given} returned {short(values)}, among them values of other partitions."
        )
        assert values == wanted, (
            f"{given} returned {short(values)}: this does not begin at offset {first}, or is not in order."
        )


def _trade(partition: int, offset: int) -> bytes:
    """A value that tells its place; the large partition's fill more than one answer of the broker (a megabyte)."""
    return b"trade %d of partition %d" % (offset, partition) + b"." * (1000 if partition == 0 else 0)


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


@exercise(
    "01.4",
    "The lag of a group",
    needs=["kafka"],
    hints=[
        "Three numbers a partition: where the log begins, where it ends, and what the group has committed. A consumer can be "
        "asked for each, and for the partitions: `consumer.partitions_for_topic(topic)`.",
        "`consumer.beginning_offsets`, `consumer.end_offsets`, `consumer.committed(place)`. The last needs a consumer "
        "with that `group_id`, and gives `None` for a partition where the group has never committed.",
        "    for place in places:\n"
        "        committed = consumer.committed(place)\n"
        "        position = … if committed is None else …\n"
        "        left[place.partition] = … - position",
    ],
    equivalent_mutants={
        "False → True": "a consumer that has read nothing has nothing to commit",
        "KafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False) → without enable_auto_commit=False": (
            "a consumer that has read nothing has nothing to commit"
        ),
        "consumer.close() → removed": "the consumer is closed when Python ends",
    },
)
def check_lag(trial: Trial, lag: Callable[..., Any]) -> None:
    trial.is_callable(lag, "lag")
    topic, group = trial.name("log"), trial.name("group")
    trial.broker.create_topic(topic, 4)
    sizes = {0: 7, 1: 4, 2: 6, 3: 0}
    now = _now_ms()
    trial.broker.send(topic, [(partition, None, b"x", now) for partition, size in sizes.items() for _ in range(size)])
    trial.broker.commit(group, topic, {0: 3, 1: 4})
    with kafka_utils.admin() as admin:  # the oldest two of partition 2 are gone, as by retention
        admin.delete_records({TopicPartition(topic, 2): 2})
    before = trial.broker.committed(group, topic)
    trial.stage("returns a dictionary")
    left = trial.call(lag, trial.broker.address, group, topic)
    assert isinstance(left, dict), f"It returned {short(left)}, which is no dictionary."
    trial.stage("partitions")
    _has_partitions(left, 4)
    wanted = {0: 4, 1: 0, 2: 4, 3: 0}
    trial.stage("committed partitions")
    assert left[0] == wanted[0], (
        f"Partition 0 holds 7 records and the group has committed offset 3: you say {short(left[0])}."
    )
    assert left[1] == wanted[1], (
        f"Partition 1 holds 4 records and the group has committed offset 4: you say {short(left[1])}."
    )
    trial.stage("partitions without a commit")
    assert left[3] == wanted[3], f"Partition 3 is empty and the group has committed nothing: you say {short(left[3])}."
    assert left[2] == wanted[2], (
        "Of 6 records in partition 2 the oldest two were deleted, and the group has committed nothing there: "
        f"you say {short(left[2])}."
    )
    trial.stage("another topic")
    other = trial.name("other")
    trial.broker.create_topic(other, 5)
    trial.broker.send(other, [(4, None, b"x", now)] * 2)
    left = trial.call(lag, trial.broker.address, group, other)
    assert isinstance(left, dict), f"It returned {short(left)}, which is no dictionary."
    _has_partitions(left, 5)
    assert left == {0: 0, 1: 0, 2: 0, 3: 0, 4: 2}, (
        f"Only partition 4 holds records, 2 of them, and the group has committed nothing: you say {short(left)}."
    )
    trial.stage("only looks")
    after = trial.broker.committed(group, topic)
    assert after == before, f"Your function changed what the group has committed, from {before} to {after}."


def _has_partitions(answer: dict[Any, Any], count: int) -> None:
    keys = sorted(answer, key=lambda key: (str(type(key)), key if isinstance(key, int) else repr(key)))
    assert set(answer) == set(range(count)), (
        f"The topic has the partitions 0 to {count - 1}; the keys of your dictionary are {short(keys)}."
    )


@exercise(
    "01.5",
    "Back to a moment",
    needs=["kafka"],
    hints=[
        "The broker has an index by time. `consumer.offsets_for_times` asks it.",
        "Kafka counts milliseconds since 1970; `moment.timestamp()` gives seconds, with a fraction.",
        "`offsets_for_times` gives `None` for a partition in which no record is that late. Where would the next one go? "
        "`consumer.end_offsets` knows.",
    ],
    equivalent_mutants={"consumer.close() → removed": "the consumer is closed when Python ends"},
)
def check_offsets_at(trial: Trial, offsets_at: Callable[..., Any]) -> None:
    trial.is_callable(offsets_at, "offsets_at")
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    _check_moments(
        trial,
        offsets_at,
        start,
        {0: [0.0, 10.0, 20.25, 30.0], 1: [5.0, 20.25], 2: [1.0, 2.0, 3.0]},
        moments=(10.0, 20.25, 20.5, -60.0),
    )
    _check_moments(trial, offsets_at, start, {0: [], 1: [7.0], 2: [1.0], 3: [2.0, 9.0]}, moments=(7.0,))


def _check_moments(
    trial: Trial,
    offsets_at: Callable[..., Any],
    start: datetime,
    times: dict[int, list[float]],
    moments: tuple[float, ...],
) -> None:
    """Ask for some moments in a topic whose records are of these times; all times in seconds from `start`."""
    topic = trial.name(f"p{len(times)}")
    trial.broker.create_topic(topic, len(times))
    trial.broker.send(
        topic,
        [
            (partition, None, b"x", int(start.timestamp() * 1000 + second * 1000))
            for partition, seconds in times.items()
            for second in seconds
        ],
    )
    zone = timezone(timedelta(hours=5, minutes=30))
    for second in moments:
        moment = (start + timedelta(seconds=second)).astimezone(zone)
        trial.stage("returns a dictionary")
        found = trial.call(offsets_at, trial.broker.address, topic, moment)
        assert isinstance(found, dict), f"It returned {short(found)}, which is no dictionary."
        trial.stage("partitions")
        _has_partitions(found, len(times))
        for partition, seconds in times.items():
            wanted = sum(1 for each in seconds if each < second)
            is_there = wanted < len(seconds)
            trial.stage("records from the moment on" if is_there else "nothing that late")
            ages = ", ".join(f"{each - second:+g} s" for each in seconds) or "none"
            assert found[partition] == wanted and not isinstance(found[partition], bool), (
                f"Partition {partition} holds records of these times, counted from the moment: {ages}. "
                f"You say {short(found[partition])}."
            )


LOOPBACK = ("127.0.0.1", "localhost")
START_SECONDS, GROUP_SECONDS = 60, 20


@exercise(
    "01.6",
    "Your own broker",
    seconds=150,
    hints=[
        "The lesson shows a whole server.properties. Which of its lines depend on `folder`, `port` and `controller_port`?",
        "A voter is written as `id@host:port`, with the id of `node.id`. `listeners` names two doors, and "
        "`controller.listener.names` says which of them is for controllers.",
        "Groups keep their offsets in a topic of Kafka's own, of which Kafka wants three copies unless "
        "`offsets.topic.replication.factor` says otherwise.",
    ],
    equivalent_mutants={"'data' → 'datax'": "any folder below the given one will do"},
)
def check_broker_properties(trial: Trial, broker_properties: Callable[..., Any]) -> None:
    trial.is_callable(broker_properties, "broker_properties")
    folder = trial.folder()
    port = processes.choose_port("check_broker", 20100 + 10 * (os.getpid() % 900))  # two checks may run at once
    controller_port = processes.choose_port("check_controller", port + 5, taken=[port])
    trial.stage("returns text")
    text = trial.call(broker_properties, folder, port, controller_port)
    assert isinstance(text, str), f"It returned {short(text)}, which is no text."
    settings = _properties(text)
    trial.stage("stays in its place")
    data = Path(settings.get("log.dirs", settings.get("log.dir", "/")))
    assert data.is_relative_to(folder), f"The data would go to {data}, which is not below the folder that was given."
    doors = settings.get("listeners", "")
    hosts = [door.rsplit("://", 1)[-1].rsplit(":", 1)[0] for door in doors.split(",")]
    assert all(host in LOOPBACK for host in hosts), f"The listeners are {doors!r}: not on 127.0.0.1 alone."
    properties = folder / "server.properties"
    properties.write_text(text, encoding="utf-8")
    trial.stage("can be formatted")
    java = str(find_java().executable)
    tool = [
        java,
        "-XX:TieredStopAtLevel=1",
        "-Dlog4j2.level=ERROR",
        "-cp",
        class_path("kafka"),
        "kafka.tools.StorageTool",
    ]
    cluster = "CheckOfUnitOne00000001"
    said = folder / "format.log"
    formatting = processes.spawn([*tool, "format", f"--cluster-id={cluster}", "-c", str(properties)], said)
    trial.finally_do(lambda: _end(formatting))
    trial.wait_for(
        lambda: formatting.poll() is not None,
        60,
        "the folder to be formatted",
        "See `lab status`, then run the cell again.",
    )
    assert formatting.returncode == 0, f"The folder could not be formatted: {_reason(said.read_text(errors='replace'))}"
    trial.stage("doors")
    _check_doors(settings, port, controller_port)
    trial.stage("starts")
    output = folder / "broker.log"
    command = [
        java,
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        class_path("kafka"),
        "kafka.Kafka",
        str(properties),
        "--override",  # half of that heap would go to it
        kafka_server.CLEANER_BUFFER,
    ]
    broker = processes.spawn(command, output, cwd=folder)
    trial.finally_do(lambda: _end(broker))
    is_there = trial.comes(
        lambda: broker.poll() is not None or _answers(port), START_SECONDS, "your broker to accept clients"
    )
    assert is_there, f"The broker runs, but accepts no clients at 127.0.0.1:{port} within {START_SECONDS} s."
    assert broker.poll() is None, f"The broker ended at once: {_reason(output.read_text(errors='replace'))}"
    trial.stage("groups work")
    _create_prices(port)
    assert trial.comes(lambda: _can_commit(port), GROUP_SECONDS, "a consumer group to commit its offset"), (
        "The broker accepts clients, but a consumer group cannot commit its offset: the topic in which Kafka keeps "
        "the offsets cannot be created."
    )


def _check_doors(settings: dict[str, str], port: int, controller_port: int) -> None:
    """What can be read off the text. Of a broker that nobody reaches, the wait for its start would tell only that."""
    doors = {
        name.strip().upper(): address.rsplit(":", 1)[-1].strip()
        for name, _, address in (door.partition("://") for door in settings.get("listeners", "").split(","))
    }
    names = {name.strip().upper() for name in settings.get("controller.listener.names", "").split(",")}
    for_clients = [door for name, door in doors.items() if name not in names]
    for_controllers = [door for name, door in doors.items() if name in names]
    assert str(port) in for_clients, (
        f"Clients will come to port {port}; the listeners for clients are at {', '.join(for_clients) or 'no port'}."
    )
    assert str(controller_port) in for_controllers, (
        f"Controllers are to come to port {controller_port}; the listeners for controllers are at "
        f"{', '.join(for_controllers) or 'no port'}."
    )
    voters = settings.get("controller.quorum.voters", "")
    assert all(voter.rsplit(":", 1)[-1].strip() in for_controllers for voter in voters.split(",")), (
        f"The voters are {voters}, and no controller listens at that port."
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


def _properties(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def _reason(output: str) -> str:
    """What a tool of Kafka complained of, and the exception behind it, which stands in the next line; else its last word."""
    lines = [line.rsplit(" ERROR ", 1)[-1].strip() for line in output.splitlines()]
    said = [line for line in lines if ("xception" in line or "rror" in line) and not line.startswith("at ")]
    return (": ".join(said[:2] or list(filter(None, lines))[-1:]) or "it gave no reason")[:400]


def _answers(port: int) -> bool:
    try:
        client = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", bootstrap_timeout_ms=2000)
    except (KafkaError, OSError):
        return False
    client.close()
    return True


def _create_prices(port: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
    try:
        admin.create_topics({"prices": {"num_partitions": 1, "replication_factor": 1}})
        admin.wait_for_topics(["prices"])
    finally:
        admin.close()


def _can_commit(port: int) -> bool:
    """Asked again and again: the broker may say no while it still creates the topic of the offsets."""
    consumer = KafkaConsumer(bootstrap_servers=f"127.0.0.1:{port}", group_id="readers", enable_auto_commit=False)
    place = TopicPartition("prices", 0)
    consumer.assign([place])
    try:
        consumer.commit({place: OffsetAndMetadata(0, "", -1)}, timeout_ms=GROUP_SECONDS * 1000)
    except KafkaError:
        return False
    finally:
        consumer.close(autocommit=False)
    return True
