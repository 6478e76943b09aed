"""What the exercises of unit 12a check."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.partitioner import DefaultPartitioner
from kafka.structs import OffsetAndMetadata

from lab_utils import kafka_utils
from lab_utils.teaching.outcomes import AnswerError
from lab_utils.teaching.trial import Trial, short
from lab_utils.teaching.units import exercise

TITLE = "Scaling out Kafka"
MINUTES = 45

SETTLE_SECONDS = 15.0
REPAIR = "See `lab status`, then run the cell again."
QUICK = {"session_timeout_ms": 6_000, "heartbeat_interval_ms": 100}
"""A member learns of a rebalance by the answer to a heartbeat."""


class Member:
    """A member of a group that runs beside the answer, in a thread, until it is stopped."""

    def __init__(self, trial: Trial, group: str, name: str, topics: Sequence[str], handle: Any = None) -> None:
        self._consumer = trial.broker.consumer(group_id=group, client_id=name, **QUICK)
        self._topics, self._handle, self._stopped = list(topics), handle, threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"member {name}", daemon=True)
        self._thread.start()
        trial.finally_do(self.stop)

    def _read(self) -> None:
        self._consumer.subscribe(self._topics)
        for topic in self._topics:
            self._consumer.partitions_for_topic(topic)
        try:
            while not self._stopped.is_set():
                for place, records in self._consumer.poll(timeout_ms=50, max_records=10).items():
                    if self._handle is not None:
                        for record in records:
                            self._handle(record)
                        self._consumer.commit({place: OffsetAndMetadata(records[-1].offset + 1, "", -1)})
        except KafkaError:  # the check waits in vain for what it would have done, and says so
            return
        finally:
            self._consumer.close()

    def ask_to_stop(self) -> None:
        """Return at once."""
        self._stopped.set()

    def has_ended(self) -> bool:
        """Whether it has left its group."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Ask and wait."""
        self.ask_to_stop()
        self._thread.join(SETTLE_SECONDS)


def _assigned(group: str) -> dict[str, dict[str, set[int]]] | None:
    """Member id → topic → partitions, of a group that has settled; else None."""
    with kafka_utils.admin() as admin:
        try:
            described = admin.describe_groups([group])[group]
        except KafkaError:
            return None
    if described["group_state"] != "Stable":
        return None
    return {
        f"{member['client_id']} {member['member_id']}": {
            each["topic"]: set(each["partitions"]) for each in member["member_assignment"]["assigned_partitions"]
        }
        for member in described["members"]
    }


def _await_group(trial: Trial, group: str, members: int, partitions: int) -> dict[str, dict[str, set[int]]]:
    """Wait until a group has so many members, who have so many partitions in all."""

    def has_settled() -> dict[str, dict[str, set[int]]] | None:
        found = _assigned(group)
        if found is None or len(found) != members:
            return None
        return found if sum(len(part) for own in found.values() for part in own.values()) == partitions else None

    return trial.wait_for(has_settled, SETTLE_SECONDS, "the members of a group to have settled", REPAIR) or {}


@exercise(
    "12a.1",
    "Who reads what",
    needs=["kafka"],
    hints=[
        "The admin client describes a group: `admin.describe_groups([group])[group]`. Print the answer for a group of the lesson, and look at "
        '`["members"]`.',
        'A member has a `"client_id"` and a `"member_assignment"`, in which `"assigned_partitions"` is a list: for each topic its name and the '
        "numbers of the partitions.",
        '    for member in described["members"]:\n'
        "        own = found.setdefault(…, set())\n"
        '        for assigned in member["member_assignment"]["assigned_partitions"]:\n'
        "            if …:\n"
        "                own.update(…)",
    ],
    equivalent_mutants={"admin.close() → removed": "the client is closed when Python ends"},
)
def check_who_reads(trial: Trial, who_reads: Callable[..., Any]) -> None:
    trial.is_callable(who_reads, "who_reads")
    topic, other, group, nobody = (trial.name(word) for word in ("prices", "news", "readers", "nobody"))
    trial.broker.create_topic(topic, 5)
    trial.broker.create_topic(other, 2)
    trial.broker.commit(nobody, topic, {0: 0})
    for name, topics in (("ann", [topic]), ("ben", [topic, other]), ("ben", [topic]), ("cleo", [other])):
        Member(trial, group, name, topics)
    settled = _await_group(trial, group, members=4, partitions=7)
    for asked, count in ((topic, 5), (other, 2)):
        _check_who_reads(trial, who_reads, group, asked, count, settled)
    trial.stage("a group without members")
    found = trial.call(who_reads, trial.broker.address, nobody, topic)
    assert found == {}, f"The group has committed once and has no members now: you say {short(found)}."


def _check_who_reads(
    trial: Trial,
    who_reads: Callable[..., Any],
    group: str,
    topic: str,
    count: int,
    settled: Mapping[str, Mapping[str, set[int]]],
) -> None:
    trial.stage("returns a dictionary")
    found = trial.call(who_reads, trial.broker.address, group, topic)
    assert isinstance(found, dict), f"It returned {short(found)}, which is no dictionary."
    trial.stage("clients")
    clients = {member.split()[0] for member in settled}
    assert set(found) == clients, (
        f"Of {count} partitions, the group's four members have the client ids ann, ben, ben and cleo. "
        f"The keys of your dictionary are {short(sorted(found, key=str))}."
    )
    trial.stage("partitions")
    for client, numbers in found.items():
        assert isinstance(numbers, set | frozenset), f"For {client} you give {short(numbers)}, which is no set."
        wanted = set().union(*(own.get(topic, set()) for member, own in settled.items() if member.split()[0] == client))
        assert numbers == wanted, (
            f"The topic has {count} partitions, and members of the group read other topics as well. For {client} you give "
            f"{short(numbers)}; the broker says otherwise."
        )


@exercise(
    "12a.2",
    "Who is behind",
    needs=["kafka"],
    hints=[
        "Three questions: who has which partition (12a.1), what the group has committed, and where the partitions begin and end (01.4).",
        "`admin.list_group_offsets(group)[group]` is a dictionary: `TopicPartition` → something with an `offset`. Where the group has never "
        "committed there is no entry. It does not join the group, as a consumer that subscribes would.",
        "    for member in members:\n"
        "        places = [TopicPartition(topic, number) for …]\n"
        "        starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)\n"
        '        left[member["client_id"]] = sum(ends[place] - … for place in places)',
    ],
    equivalent_mutants={
        "admin.close() → removed": "the client is closed when Python ends",
        "consumer.close() → removed": "the client is closed when Python ends",
    },
)
def check_behind(trial: Trial, behind: Callable[..., Any]) -> None:
    trial.is_callable(behind, "behind")
    topic, other, group = (trial.name(word) for word in ("prices", "news", "readers"))
    trial.broker.create_topic(topic, 4)
    trial.broker.create_topic(other, 2)
    now = int(time.time() * 1000)
    sizes, commits = {0: 9, 1: 6, 2: 7, 3: 5}, {0: 4, 1: 6}
    trial.broker.send(topic, [(partition, None, b"x", now) for partition, size in sizes.items() for _ in range(size)])
    trial.broker.send(other, [(0, None, b"x", now)] * 3)
    with kafka_utils.admin() as admin:  # the oldest two of partition 2 are gone, as by retention
        admin.delete_records({TopicPartition(topic, 2): 2})
    trial.broker.commit(group, topic, commits)
    # Nobody reads both: kafka-python 3.0.12 raises a bare KeyError when it is asked for the offsets of a topic that it
    # knows and of one that it does not know yet. An answer that counts both topics should hear what is wrong with it.
    for name in ("ann", "ben", "cleo", "dora", "eve"):
        Member(trial, group, name, [topic])
    Member(trial, group, "fay", [other])
    settled = _await_group(trial, group, members=6, partitions=6)
    trial.stage("returns a dictionary")
    found = trial.call(behind, trial.broker.address, group, topic)
    assert isinstance(found, dict), f"It returned {short(found)}, which is no dictionary."
    trial.stage("clients")
    names = sorted(member.split()[0] for member in settled)
    assert set(found) == set(names), (
        f"The members are {', '.join(names)}; the keys of your dictionary are {short(sorted(found, key=str))}."
    )
    left = {0: 5, 1: 0, 2: 5, 3: 5}
    for member, own in sorted(settled.items()):
        numbers = sorted(own.get(topic, ()))
        trial.stage("members with partitions" if numbers else "members without partitions")
        shown = ", ".join(_described(number, sizes[number], commits.get(number)) for number in numbers)
        shown = shown or ("only partitions of another topic" if own else "no partition")
        answer = found[member.split()[0]]
        assert answer == sum(left[number] for number in numbers), (
            f"{member.split()[0]} has {shown}: you say {short(answer)} records."
        )
    trial.stage("only looks")
    assert _assigned(group) == settled, (
        "After your function the members of the group are others, or have others' partitions."
    )


def _described(number: int, size: int, commit: int | None) -> str:
    gone = ", of which the oldest 2 were deleted" if number == 2 else ""
    committed = "nothing committed" if commit is None else f"offset {commit} committed"
    return f"partition {number} ({size} records{gone}; {committed})"


class _Cluster:
    """As much of a cluster's metadata as the partitioner asks for."""

    def __init__(self, partitions: int) -> None:
        self._partitions = set(range(partitions))

    def topics(self) -> set[str]:
        """The one topic."""
        return {"prices"}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        """Its partitions."""
        return self._partitions

    available_partitions_for_topic = partitions_for_topic


def _place(symbol: str, partitions: int) -> int:
    key = symbol.encode()
    return int(DefaultPartitioner().partition("prices", key, key, None, None, _Cluster(partitions)))


@exercise(
    "12a.3",
    "Which keys move",
    hints=[
        "The lesson computes the place of a symbol in `partition_of`: the hash of its bytes, without the highest bit, modulo the number of "
        "partitions.",
        "Compute it for `before` and for `after`, and keep those where the two differ.",
        "    number = murmur2(symbol.encode()) & 0x7FFFFFFF\n    old, new = …\n    if …:\n        found[symbol] = (old, new)",
    ],
)
def check_movers(trial: Trial, movers: Callable[..., Any]) -> None:
    trial.is_callable(movers, "movers")
    symbols = [
        *(
            "BTC",
            "ETH",
            "SOL",
            "XRP",
            "ADA",
            "AAPL",
            "MSFT",
            "GOOG",
            "AMZN",
            "TSLA",
            "NESN.SW",
            "BRK.B",
            "7203.T",
            "EUR/USD",
        ),
        *("MÜV2.DE", "ØRSTED", "DOGE", "DOT"),
    ]
    for before, after in ((4, 8), (3, 6), (6, 7), (12, 5)):
        given = f"movers(symbols, before={before}, after={after})"
        trial.stage("returns a dictionary")
        found = trial.call(movers, list(symbols), before, after, given=given)
        assert isinstance(found, dict), f"{given} returned {short(found)}, which is no dictionary."
        trial.stage("names symbols")
        assert set(found) <= set(symbols), f"{given} names {short(sorted(set(found) - set(symbols), key=str))}."
        for symbol in symbols:
            old, new = _place(symbol, before), _place(symbol, after)
            trial.stage("those that stay" if old == new else "those that move")
            if old == new:
                assert symbol not in found, (
                    f"{given} has {symbol}, {short(found[symbol])}; the partitioner does not move it."
                )
            else:
                assert symbol in found, (
                    f"{given} leaves out {symbol}, which the partitioner sends elsewhere afterwards."
                )
                answer = found[symbol]
                assert isinstance(answer, tuple | list) and tuple(answer) == (old, new), (
                    f"{given} gives {short(answer)} for {symbol}; a producer sends it elsewhere."
                )
    trial.stage("nothing changes")
    found = trial.call(movers, list(symbols), 6, 6)
    assert found == {}, f"With 6 partitions before and after you say that {short(found)} move."


@exercise(
    "12a.4",
    "Settings for a number of deaths",
    hints=[
        "With how few copies may a record be acknowledged? `min.insync.replicas` says so. How many of these can die with it?",
        "Then the other side: when `failures` copies are away, how many must be left so that writes go on?",
        '    minimum = …\n    return {\n        "num_partitions": partitions,\n        "replication_factor": …,\n'
        '        "configs": {"min.insync.replicas": str(minimum)},\n    }',
    ],
)
def check_topic_for(trial: Trial, topic_for: Callable[..., Any]) -> None:
    trial.is_callable(topic_for, "topic_for")
    for partitions, failures in ((6, 1), (3, 2), (12, 0), (1, 3)):
        given = f"topic_for(partitions={partitions}, failures={failures})"
        trial.stage("returns settings")
        made = trial.call(topic_for, partitions, failures, given=given)
        assert isinstance(made, dict), f"{given} returned {short(made)}, which is no dictionary."
        wanted = {"num_partitions", "replication_factor", "configs"}
        assert set(made) == wanted, f"{given} returned {short(made)}; its keys are not those that create_topics wants."
        count, factor, configs = made["num_partitions"], made["replication_factor"], made["configs"]
        assert count == partitions, f"{given} asks for {short(count)} partitions."
        assert type(factor) is int, (
            f"{given} asks for a replication_factor of {short(factor)}, which is no whole number."
        )
        assert isinstance(configs, dict) and "min.insync.replicas" in configs, (
            f"{given} has the configs {short(configs)}: nothing says how many copies must be in sync."
        )
        text = configs["min.insync.replicas"]
        assert isinstance(text, str) and text.isascii() and text.isdigit(), (
            f"{given} sets min.insync.replicas to {short(text)}; settings are given as text, and this one is a number."
        )
        _check_copies(trial, given, factor, int(text), failures)


def _check_copies(trial: Trial, given: str, factor: int, minimum: int, failures: int) -> None:
    settings = f"{given} gives {factor} copies and min.insync.replicas={minimum}."
    trial.stage("no record is lost")
    assert min(factor, minimum) > failures, (
        f"{settings} A record may be acknowledged when {min(factor, minimum)} copies have it, and the {failures} brokers that die may be those."
    )
    trial.stage("writes go on")
    assert factor - failures >= minimum, (
        f"{settings} When {failures} brokers have died, {factor - failures} copies are left, and writes are refused."
    )
    trial.stage("no more copies than it takes")
    assert factor <= 2 * failures + 1 and minimum <= factor, f"{settings} Fewer copies would do."


def _part(index: int, leader: int, replicas: list[int], in_sync: list[int], error: int = 0) -> dict[str, Any]:
    return {
        "error_code": error,
        "partition_index": index,
        "leader_id": leader,
        "leader_epoch": 1,
        "replica_nodes": replicas,
        "isr_nodes": in_sync,
        "offline_replicas": [number for number in replicas if number not in in_sync],
    }


def _topic(name: str, *partitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "error_code": 0,
        "name": name,
        "topic_id": None,
        "is_internal": False,
        "partitions": list(partitions),
        "authorized_operations": ["READ", "WRITE", "DESCRIBE"],
    }


# As three brokers described them a moment after broker 3 was killed.
ONE_DEAD = [
    _topic("alone", _part(1, 2, [2], [2]), _part(0, 1, [1], [1]), _part(2, -1, [3], [], error=5)),
    _topic("pairs", _part(1, 1, [3, 1], [1]), _part(2, 1, [1, 2], [1, 2]), _part(0, 2, [2, 3], [2])),
    _topic("prices", _part(0, 1, [1, 2, 3], [1, 2]), _part(1, 2, [2, 3, 1], [2, 1]), _part(2, 1, [3, 1, 2], [1, 2])),
    _topic("strict", _part(0, 1, [1, 2, 3], [1, 2]), _part(1, 2, [2, 3, 1], [2, 1])),
]
# In a cluster of five: broker 4 is slow, and broker 0 (a number like any other) leads. The last in sync of `old` is away.
MIXED = [
    _topic(
        "wide", _part(1, 0, [0, 4, 2, 3, 1], [0, 2, 3, 1]), _part(0, 0, [0, 1, 2, 3, 4], [0, 2]), _part(2, 2, [2], [2])
    ),
    _topic("old", _part(0, -1, [4], [4], error=5), _part(1, -1, [4, 0], [4], error=5), _part(2, 0, [4, 0], [0, 4])),
    _topic("empty"),
]


@exercise(
    "12a.5",
    "Partitions in danger",
    hints=[
        'Two loops: over the topics, and over `topic["partitions"]`. For each partition go from the worst to the least.',
        "No leader is written as a `leader_id` of -1. How many are in sync, and how many copies there should be, are the lengths of two lists.",
        '    if part["leader_id"] == -1:\n        …\n    elif len(…) < minimum[topic["name"]]:\n        …\n    elif …:\n        …',
    ],
)
def check_in_danger(trial: Trial, in_danger: Callable[..., Any]) -> None:
    trial.is_callable(in_danger, "in_danger")
    for topics, minimum in (
        (ONE_DEAD, {"alone": 1, "pairs": 2, "prices": 2, "strict": 3}),
        (ONE_DEAD, {"alone": 1, "pairs": 1, "prices": 3, "strict": 2}),
        (MIXED, {"wide": 3, "old": 1, "empty": 1}),
    ):
        _check_danger(trial, in_danger, topics, minimum)


def _check_danger(
    trial: Trial, in_danger: Callable[..., Any], topics: list[dict[str, Any]], minimum: dict[str, int]
) -> None:
    trial.stage("returns a dictionary")
    given = f"in_danger(topics, {minimum})"
    copy = [{**topic, "partitions": [dict(part) for part in topic["partitions"]]} for topic in topics]
    found = trial.call(in_danger, copy, dict(minimum), given=given)
    assert isinstance(found, dict), f"It returned {short(found)}, which is no dictionary."
    trial.stage("names partitions")
    places = {(topic["name"], part["partition_index"]) for topic in topics for part in topic["partitions"]}
    strange = set(found) - places
    assert not strange, (
        f"Your keys have {short(next(iter(strange)))}, which is no (topic, partition) of those described."
    )
    for topic in topics:
        for part in topic["partitions"]:
            what = found.get((topic["name"], part["partition_index"]), "nothing")
            copies = f"copies on {part['replica_nodes']}, in sync {part['isr_nodes']}, minimum {minimum[topic['name']]}"
            stage, wanted = _danger(part, minimum[topic["name"]])
            trial.stage(stage)
            assert what == wanted, (
                f"{topic['name']}, partition {part['partition_index']}: leader_id {part['leader_id']}, {copies}. You say "
                f"{short(what)}."
            )


def _danger(part: dict[str, Any], minimum: int) -> tuple[str, str]:
    if part["leader_id"] == -1:
        return "partitions without a leader", "no leader"
    if len(part["isr_nodes"]) < minimum:
        return "partitions that refuse writes", "no writes"
    if set(part["isr_nodes"]) != set(part["replica_nodes"]):
        return "partitions with copies missing", "copies missing"
    return "partitions that are well", "nothing"


FIRST, SECOND, THIRD = 120, 120, 60
PARTS = 3


class _Story:
    """Two members of a group, as seen by the answer's own calls of `handle` and `is_over`.

    The answer reads alone; another member comes, works and leaves; the answer reads alone again. Each step begins when the one before is done,
    however long that takes, so nothing here depends on how fast the machine is.
    """

    def __init__(self, trial: Trial, topic: str, group: str) -> None:
        self.trial, self.topic, self.group = trial, topic, group
        self.handled: list[tuple[int, int]] = []
        self.twice: dict[int, list[tuple[int, int]]] = {}
        """Step → the places handled again in it."""
        self.disorder = ""
        self.missing = ""
        """What the story waited for in vain."""
        self.step = 0
        self._other: Member | None = None
        self._sent = 0
        self._lock = threading.Lock()
        self._deadline = time.monotonic() + SETTLE_SECONDS
        self._send(FIRST)

    def handle(self, record: Any) -> None:
        """For both members."""
        place = (record.partition, record.offset)
        with self._lock:
            if place in self.handled:
                self.twice.setdefault(self.step, []).append(place)
            self.handled.append(place)

    def _send(self, count: int) -> None:
        now = int(time.time() * 1000)
        self.trial.broker.send(self.topic, [(n % PARTS, None, b"%d" % n, now) for n in range(count)])
        self._sent += count

    def _all_handled(self) -> bool:
        return len(set(self.handled)) == self._sent

    def is_over(self) -> bool:
        """Go on with the story if it can; whether it has ended."""
        if self._advance():
            self.step += 1
            self._deadline = time.monotonic() + SETTLE_SECONDS
        elif time.monotonic() > self._deadline:
            self.missing = _STEPS[min(self.step, len(_STEPS) - 1)]
            return True
        return self.step == len(_STEPS)

    def _advance(self) -> bool:
        match self.step:
            case 0 | 2 | 4 if self._all_handled():
                if self.step == 0:
                    self._other = Member(self.trial, self.group, "other", [self.topic], self.handle)
                elif self.step == 2 and self._other is not None:
                    self._other.ask_to_stop()
                return True
            case 1 if self._two_share():
                self._send(SECOND)
                return True
            case 3 if self._other is not None and self._other.has_ended():
                self._send(THIRD)
                return True
        return False

    def _two_share(self) -> bool:
        found = _assigned(self.group)
        return found is not None and len(found) == 2 and all(own.get(self.topic) for own in found.values())


_STEPS = (
    "that all records of the topic are handled",
    "that another member of the group gets its share of the partitions",
    "that the two members together handle what comes",
    "that the other member can leave",
    "that what comes when the other has left is handled",
)


@exercise(
    "12a.6",
    "A member that hands over cleanly",
    needs=["kafka"],
    seconds=60,
    hints=[
        "Keep a dictionary of what was handled: `TopicPartition` → where the next one should begin. It is what you commit, "
        '`OffsetAndMetadata(offset + 1, "", -1)` for each partition.',
        "A listener whose `on_partitions_revoked` awaits `consumer.commit_async(…)`. `close()` calls it, too: see that `close()` is reached "
        "however the loop ends.",
        "What you know of a partition is of no use when it is somebody else's: empty the dictionary when partitions are dealt out.",
        "    class HandOver(AsyncConsumerRebalanceListener):\n"
        "        async def on_partitions_assigned(self, assigned):\n            …\n\n"
        "        async def on_partitions_revoked(self, revoked):\n            await consumer.commit_async(…)\n\n"
        "    consumer.subscribe([topic], listener=HandOver())\n"
        "    try:\n        while not is_over():\n            for place, records in consumer.poll(timeout_ms=200).items():\n                …\n"
        "    finally:\n        …",
    ],
    equivalent_mutants={
        "consumer.poll(timeout_ms=200) → without timeout_ms=200": "it asks without waiting, which keeps the processor busy",
        "200 → 201": "a round may take a little longer",
        "'' → 'x'": "a note beside the offset, which nobody reads",
        "-1 → 1": "the leader's epoch, by which a reader knows a log that was cut; the broker has always been the leader here",
        "1 → 2 (2)": "another number that says that the leader's epoch is not known",
    },
)
def check_read_together(trial: Trial, read_together: Callable[..., object]) -> None:
    trial.is_callable(read_together, "read_together")
    topic, group = trial.name("prices"), trial.name("readers")
    trial.broker.create_topic(topic, PARTS)
    story = _Story(trial, topic, group)
    trial.stage("handles what is there")
    given = "read_together(consumer, topic, handle, is_over)"
    trial.call(read_together, _consumer(trial, group), topic, story.handle, story.is_over, given=given)
    _check_story(trial, story)
    trial.stage("the end")
    _check_end(trial, group, topic, trial.broker.end_offsets(topic))
    _check_failure(trial, read_together)


def _consumer(trial: Trial, group: str) -> Any:
    return trial.broker.consumer(group_id=group, client_id="answer", **QUICK)


def _check_story(trial: Trial, story: _Story) -> None:
    for steps, stage in (
        ((0,), "handles what is there"),
        ((1, 2), "another member comes"),
        ((3, 4), "it leaves again"),
    ):
        trial.stage(stage)
        again = [place for step in steps for place in story.twice.get(step, [])]
        assert not again, (
            f"{len(again)} records were handled again, the first of them offset {again[0][1]} of partition {again[0][0]}."
        )
        if story.missing and story.step in steps:
            raise AssertionError(f"The check waited {SETTLE_SECONDS:g} s in vain {story.missing}.")
    trial.stage("goes on until it is over")
    assert story.step == len(_STEPS), (
        f"Your function returned before `is_over()` was true. It was still to be seen {_STEPS[story.step]}."
    )


def _check_end(trial: Trial, group: str, topic: str, wanted: dict[int, int]) -> None:
    committed = trial.broker.committed(group, topic)
    for number, offset in wanted.items():
        found = committed[number]
        assert found is None or found <= offset, (
            f"All records of partition {number} before offset {offset} were handled, no others, and offset {found} is committed: what lies between is lost."
        )
        assert found == offset, (
            f"All records of partition {number} before offset {offset} were handled, and {'nothing' if found is None else f'offset {found}'} is committed: "
            "the next member handles some again."
        )
    left = trial.comes(lambda: _is_empty(group), 3, "your member to have left the group")
    assert left, "Your function has ended, and the broker still waits for heartbeats of its member."


def _is_empty(group: str) -> bool:
    with kafka_utils.admin() as admin:
        return not admin.describe_groups([group])[group]["members"]


class Unusable(Exception):
    """Raised by `handle` for a record that it cannot use."""


def _check_failure(trial: Trial, read_together: Callable[..., object]) -> None:
    trial.stage("a record that cannot be handled")
    topic, group = trial.name("broken"), trial.name("unlucky")
    trial.broker.create_topic(topic, 1)
    now = int(time.time() * 1000)
    trial.broker.send(topic, [(0, None, b"%d" % number, now) for number in range(40)])
    handled: list[int] = []
    deadline = time.monotonic() + SETTLE_SECONDS

    def handle(record: Any) -> None:
        if record.offset == 17:
            raise Unusable("record 17")
        handled.append(record.offset)

    consumer = _consumer(trial, group)
    given = "read_together(consumer, topic, handle, is_over), where handle raises an exception for a record,"
    try:
        trial.call(read_together, consumer, topic, handle, lambda: time.monotonic() > deadline or len(handled) > 30)
    except AnswerError as error:
        if not isinstance(error.cause, Unusable):
            raise
    else:
        raise AssertionError(f"{given} ended without that exception.")
    assert handled == list(range(17)), (
        f"Before record 17, which cannot be handled, {len(handled)} were: {short(handled)}."
    )
    _check_end(trial, group, topic, {0: 17})
