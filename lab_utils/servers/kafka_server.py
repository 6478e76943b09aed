"""The lab's Kafka: one broker that is its own controller (KRaft), three of them, or one that needs ZooKeeper.

With `LAB_KAFKA_BOOTSTRAP` the brokers are elsewhere. Then this module starts and stops none; it says where they are.
"""

import base64
import dataclasses
import re
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from lab_utils.errors import LabError
from lab_utils.servers import elsewhere, processes, zookeeper_server
from lab_utils.servers.class_archives import java_options, seconds_to_end
from lab_utils.servers.jars import class_path
from lab_utils.servers.java import QUICK_START, Java, as_properties, environment, find_java
from lab_utils.servers.profiles import Profile, active
from lab_utils.settings import settings
from lab_utils.waiting import WaitTimeout, wait_until

NAME = "kafka"
START_SECONDS = 60
STOP_SECONDS = 20
FORMATTER = "kafka.tools.StorageTool"
CLEANER_BUFFER = "log.cleaner.dedupe.buffer.size=8388608"
"""A broker whose heap has no room for this buffer ends with "Error starting LogManager" (`LogCleaner`)."""
CLUSTER_SIZE = 3
"""Brokers of a cluster: of two, neither could tell a dead partner from a cut cable."""


@dataclasses.dataclass(frozen=True)
class Broker:
    """One broker process of this checkout."""

    name: str
    """In `state.json`, of its folder and of its log."""
    number: int
    """Its `node.id`."""

    @property
    def folder(self) -> Path:
        """Its configuration and data."""
        return settings().state_dir / self.name

    @property
    def properties_file(self) -> Path:
        """Its configuration, which is written before the start."""
        return self.folder / "server.properties"

    @property
    def log_file(self) -> Path:
        """Its log."""
        return settings().logs_dir / f"{self.name}.log"

    @property
    def output_file(self) -> Path:
        """What it prints before its log is open, and when it dies."""
        return settings().logs_dir / f"{self.name}.out"

    def process(self) -> psutil.Process | None:
        """The running broker."""
        return processes.server_process(self.name, "kafka.Kafka", str(self.properties_file))

    def port(self) -> int | None:
        """What the configuration says: damage to `state.json` does not hide it."""
        try:
            text = self.properties_file.read_text()
        except OSError:
            return None
        listener = re.search(r"^advertised\.listeners=.*:(\d+)$", text, re.MULTILINE)
        return int(listener.group(1)) if listener else None

    def cluster_id(self) -> str | None:
        """The name that was given to its data when it was formatted; with ZooKeeper, when it first started."""
        try:
            text = (self.folder / "data" / "meta.properties").read_text()
        except OSError:
            return None
        found = re.search(r"^cluster\.id=(.*)$", text, re.MULTILINE)
        return found.group(1) if found else None


def brokers() -> list[Broker]:
    """The brokers that this lab has, whether they run or not."""
    if active() is Profile.cluster:
        return [Broker(f"{NAME}-{number}", number) for number in range(1, CLUSTER_SIZE + 1)]
    return [Broker(NAME, 1)]


def replicas() -> int:
    """On how many brokers a topic of the lab lies."""
    return len(brokers())


def process() -> psutil.Process | None:
    """The running broker of this checkout, the first one of a cluster."""
    return next(filter(None, (broker.process() for broker in brokers())), None)


def is_elsewhere() -> bool:
    """Whether `LAB_KAFKA_BOOTSTRAP` names the brokers, so that the lab has none of its own."""
    return settings().kafka_bootstrap is not None


def repair() -> str:
    """What to do when Kafka does not answer."""
    return elsewhere.repair("LAB_KAFKA_BOOTSTRAP") if is_elsewhere() else "See `lab status`, then run: lab up"


def port() -> int:
    """The port of this checkout's running broker, on loopback, which stays this lab's own while this process lives.

    Raises:
        LabError: it does not run. A recorded port alone is not enough: another clone may have taken it since.
    """
    return _running_ports()[0]


def bootstrap_servers() -> str:
    """`host:port` of the running broker, or of several, separated by commas.

    Those of the lab's own cluster that are away are named as well: they come back.

    Raises:
        LabError: the lab's own does not run. Whether those elsewhere answer is not asked here.
    """
    if is_elsewhere():
        return str(settings().kafka_bootstrap)
    _running_ports()
    return _addresses(brokers())


address = bootstrap_servers
"""The name under which every server says where it is."""


def _running_ports() -> list[int]:
    running = [broker for broker in brokers() if broker.process() is not None]
    ports = [port for port in (broker.port() for broker in running) if port is not None]
    if not ports:
        raise LabError("Kafka is not running.", "Start it with: lab up")
    for port in ports:
        processes.claim_port(port)
    return ports


def _addresses(those: Sequence[Broker]) -> str:
    return ",".join(f"{processes.HOST}:{broker.port()}" for broker in those)


def server_properties(broker: Broker, port: int, voters: Mapping[int, int], data: Path) -> str:
    """The configuration of a broker with KRaft: the whole of it, everything else is Kafka's default.

    Args:
        broker: which.
        port: for its clients.
        voters: `node.id` → port, of the controllers: each broker is one of them.
        data: its data folder.
    """
    host, copies = processes.HOST, len(voters)
    quorum = ",".join(f"{number}@{host}:{controller_port}" for number, controller_port in voters.items())
    return "\n".join(
        [
            "process.roles=broker,controller",
            f"node.id={broker.number}",
            f"controller.quorum.voters={quorum}",
            f"listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{voters[broker.number]}",
            "controller.listener.names=CONTROLLER",
            f"share.coordinator.state.topic.replication.factor={copies}",
            "share.coordinator.state.topic.min.isr=1",
            *_common_properties(port, data, copies),
        ]
    )


def zookeeper_properties(port: int, zookeeper: str, data: Path) -> str:
    """The configuration of a broker whose metadata is in the ZooKeeper at `zookeeper` (`host:port`)."""
    return "\n".join(
        [
            "broker.id=1",
            f"zookeeper.connect={zookeeper}",
            f"listeners=PLAINTEXT://{processes.HOST}:{port}",
            *_common_properties(port, data, copies=1),
        ]
    )


def _common_properties(port: int, data: Path, copies: int) -> list[str]:
    return [
        f"advertised.listeners=PLAINTEXT://{processes.HOST}:{port}",
        f"log.dirs={data.as_posix()}",
        # Kafka's defaults are for three brokers or more.
        f"offsets.topic.replication.factor={copies}",
        "offsets.topic.num.partitions=4",
        f"transaction.state.log.replication.factor={copies}",
        f"transaction.state.log.min.isr={max(1, copies - 1)}",
        # A misspelt topic is an error message, not a new topic.
        "auto.create.topics.enable=false",
        # The first consumer of a group need not wait three seconds for others.
        "group.initial.rebalance.delay.ms=0",
        "log.retention.hours=168",
        # Kafka takes 128 MB of heap in one piece for the thread that compacts logs. Here that is the offsets of few
        # groups; 8 MB hold 350,000 keys at a time (24 bytes each).
        CLEANER_BUFFER,
        "",
    ]


def ensure() -> str:
    """See that there is a Kafka that accepts clients, ours or the one elsewhere; its address.

    Raises:
        LabError: ours does not come up, or the one elsewhere does not answer.
    """
    if is_elsewhere():
        check_elsewhere()
        return bootstrap_servers()
    return start()


def check_elsewhere() -> list[str]:
    """Where the brokers elsewhere send their clients, as `host:port`; all of them can be reached from here.

    Kafka answers the first question at any address, and then sends its clients on to `advertised.listeners`. Where that
    names an address of another network, everything works but the sending and the reading.

    Raises:
        LabError: none answers, or one of them sends its clients to where it cannot be reached.
    """
    servers = bootstrap_servers()
    cluster = _describe(servers)
    if cluster is None or not cluster["brokers"]:
        raise LabError(f"Kafka does not answer at {servers}.", repair())
    brokers = [(str(broker["host"]), int(broker["port"])) for broker in cluster["brokers"]]
    for host, broker_port in brokers:
        if not elsewhere.is_open(host, broker_port):
            raise LabError(
                f"Kafka answers at {servers} and sends its clients on to {host}:{broker_port}, where nobody answers.",
                "Correct advertised.listeners of that broker, or use the listener in LAB_KAFKA_BOOTSTRAP that is meant "
                "for this machine.",
            )
    return [f"{host}:{broker_port}" for host, broker_port in brokers]


def start() -> str:
    """Start the brokers of this checkout that do not run; the addresses at which all accept clients.

    Raises:
        LabError: one does not come up; the text holds its own reason.
    """
    wanted = brokers()
    missing = [broker for broker in wanted if broker.process() is None] or _ended_meanwhile(wanted)
    if missing:
        java = find_java()
        if active() is not Profile.zookeeper:
            _format_data(java, missing)
        if len(missing) < len(wanted):
            _bring_back(java, missing)
        else:
            _start_all(java, wanted)
    for broker in wanted:
        found, its_port = broker.process(), broker.port()
        if found is not None and its_port is not None:
            processes.keep_record(broker.name, processes.Record(found.pid, its_port, settings().kafka_port))
    return _addresses(wanted)


def _ended_meanwhile(running: Sequence[Broker]) -> list[Broker]:
    """Wait for brokers that run to accept clients; those that end instead.

    Raises:
        LabError: they neither answer nor end.
    """
    found = [broker.process() for broker in running]
    try:
        if any(broker.port() is None for broker in running):
            raise WaitTimeout("a configuration is gone")
        _await_clients(running, lambda: all(each is not None and processes.is_alive(each) for each in found))
    except WaitTimeout:
        ended = [broker for broker in running if broker.process() is None]
        if ended:
            return ended
        pids = ", ".join(str(each.pid) for each in found if each is not None)
        raise LabError(
            f"Kafka (process {pids}) runs but does not answer.", "Stop it and start again: lab down, then lab up"
        ) from None
    return []


def _start_all(java: Java, wanted: Sequence[Broker]) -> None:
    for attempt in range(processes.ATTEMPTS):
        _configure(wanted)
        reason = _launch(java, wanted, wanted)
        if reason is None:
            return
        if not processes.TAKEN.search(reason) or attempt == processes.ATTEMPTS - 1:
            raise LabError(
                f"Kafka did not start: {reason}.",
                f"Look at `lab logs {wanted[0].name}`; `lab reset` starts over with empty topics and tables.",
            )


def _bring_back(java: Java, missing: Sequence[Broker]) -> None:
    """Start single brokers of a cluster at the ports by which the others know them."""
    reason = _launch(java, missing, brokers())
    if reason is not None:
        raise LabError(
            f"{', '.join(broker.name for broker in missing)} did not come back: {reason}.",
            "Start the whole cluster again: lab down, then lab up",
        )


def _configure(wanted: Sequence[Broker]) -> None:
    """Choose the ports and write the configurations."""
    taken: list[int] = []

    def choose(name: str, first: int) -> int:
        taken.append(processes.choose_port(name, first, taken=taken))
        return taken[-1]

    ports = {broker: choose(broker.name, settings().kafka_port) for broker in wanted}
    if active() is Profile.zookeeper:
        texts = {
            broker: zookeeper_properties(its_port, zookeeper_server.address(), broker.folder / "data")
            for broker, its_port in ports.items()
        }
    else:
        voters = {
            broker.number: choose(f"{broker.name}_controller", its_port + 1) for broker, its_port in ports.items()
        }
        texts = {
            broker: server_properties(broker, its_port, voters, broker.folder / "data")
            for broker, its_port in ports.items()
        }
    for broker, text in texts.items():
        broker.folder.mkdir(parents=True, exist_ok=True)
        broker.properties_file.write_text(as_properties(text))


def _launch(java: Java, those: Sequence[Broker], awaited: Sequence[Broker]) -> str | None:
    """Start brokers and wait until all awaited ones accept clients; else why not, and none of them is left."""
    seen_before = {broker: processes.log_end(broker.log_file) for broker in those}
    started = {}
    for broker in those:
        started[broker] = processes.spawn(
            _command(java, broker), broker.output_file, env=environment(), cwd=broker.folder
        )
        record = processes.Record(started[broker].pid, broker.port() or 0, settings().kafka_port)
        processes.write_record(broker.name, record)
    try:
        _await_clients(awaited, lambda: all(child.poll() is None for child in started.values()))
    except WaitTimeout:
        ended = [broker for broker, child in started.items() if child.poll() is not None]
        reason = _failure_reason((ended or those)[0], seen_before)
        for child in started.values():
            child.kill()
            child.wait()
        return reason
    return None


def _command(java: Java, broker: Broker) -> list[str]:
    jar_set = "kafka_zookeeper" if active() is Profile.zookeeper else "kafka"
    return [
        *java.server_command(settings().kafka_heap_mb, broker.log_file),
        *java_options(jar_set, java),
        "-Djava.awt.headless=true",
        "-cp",
        class_path(jar_set),
        "kafka.Kafka",
        str(broker.properties_file),
    ]


def _format_data(java: Java, those: Sequence[Broker]) -> None:
    """Give each broker a formatted data folder, all with the name of one cluster.

    It is formatted under another name and renamed: a folder that stands under its final name is whole.
    """
    for broker in those:
        data = broker.folder / "data"
        if data.exists() and not (data / "meta.properties").is_file():
            raise LabError(
                f"Kafka's data folder {data} is not whole (meta.properties is missing).",
                "Start over with empty topics and tables: lab reset",
            )
    known = next(filter(None, (broker.cluster_id() for broker in brokers())), None)
    cluster_id = known or base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    bare = [broker for broker in those if not (broker.folder / "data").exists()]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda broker: _format(java, broker, cluster_id), bare))


def _format(java: Java, broker: Broker, cluster_id: str) -> None:
    new = broker.folder / "data.new"
    format_properties = broker.folder / "format.properties"
    processes.remove_half_made(new, FORMATTER, str(format_properties))
    new.mkdir(parents=True)
    port = settings().kafka_port
    # The ports are not used for this. Who votes is.
    voters = {each.number: port + each.number for each in brokers()}
    format_properties.write_text(as_properties(server_properties(broker, port, voters, new)))
    done = processes.run_apart(
        [
            str(java.executable),
            *QUICK_START,
            *java_options("kafka", java, writes=False),
            "-Dlog4j2.level=ERROR",
            *("-cp", class_path("kafka"), FORMATTER),
            *("format", f"--cluster-id={cluster_id}", "-c", str(format_properties)),
        ],
        env=environment(),
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise LabError(
            f"Kafka's data folder could not be formatted: {lines[-1] if lines else 'no reason given'}.",
            "Free disk space or correct the permissions of the folder, then run: lab up",
        )
    new.rename(broker.folder / "data")


def _await_clients(awaited: Sequence[Broker], alive: Callable[[], bool]) -> None:
    """Wait until all those brokers answer a client.

    Raises:
        WaitTimeout: one ended, or they did not answer in time.
    """

    def answer() -> bool:
        if not alive():
            raise WaitTimeout("a broker ended")
        return all(_knows(broker) >= len(awaited) for broker in awaited)

    wait_until(answer, START_SECONDS, "Kafka to accept clients")


def answering() -> int:
    """How many brokers of this checkout take clients."""
    return sum(_knows(broker) > 0 for broker in brokers())


def _knows(broker: Broker) -> int:
    """How many brokers of its cluster, itself among them, one of ours knows; 0 when it does not take clients.

    It is asked at its own port, not through another: the others name a broker before it has its port, since it is
    unfenced first (`BrokerServer.startup`: setReadyToUnfence, then enableRequestProcessing). It may never get it, when
    another lab that started at the same time was quicker. That one answers there then, and would take our records.
    """
    port = broker.port()
    if port is None or processes.is_free(port):
        return 0
    cluster = _describe(f"{processes.HOST}:{port}")
    return len(cluster["brokers"]) if cluster is not None and cluster["cluster_id"] == broker.cluster_id() else 0


def _describe(servers: str) -> dict[str, Any] | None:
    """What the brokers at `servers` say of their cluster; None when they do not answer."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        client = KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=2000, request_timeout_ms=5000)
    except (KafkaError, OSError):
        return None
    try:
        cluster: dict[str, Any] = client.describe_cluster()
        return cluster
    except (KafkaError, OSError):
        return None
    finally:
        client.close()


def _failure_reason(broker: Broker, seen_before: Mapping[Broker, int]) -> str:
    log = broker.log_file if broker.log_file.exists() else broker.output_file
    errors = ("Exception:", "level=ERROR", "level=FATAL")
    return (
        processes.reason(log, errors, start=seen_before[broker])
        or processes.last_lines(broker.output_file, ("Exception", "Error", "error"), 1)
        or "it ended without a word"
    )


def stop() -> bool:
    """Stop the brokers, all at once; whether one ran."""
    running = [found for found in (broker.process() for broker in brokers()) if found is not None]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda found: processes.stop_process(found, seconds=seconds_to_end(STOP_SECONDS)), running))
    return bool(running)


def remove_data() -> None:
    """Delete all topics, offsets and groups. The brokers must not run."""
    for broker in brokers():
        shutil.rmtree(broker.folder, ignore_errors=True)
