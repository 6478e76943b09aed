"""One Kafka broker in KRaft mode: it is its own controller, so no ZooKeeper is needed."""

import base64
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil

from lab_utils.errors import LabError
from lab_utils.servers import processes
from lab_utils.servers.class_archives import java_options
from lab_utils.servers.jars import class_path
from lab_utils.servers.java import Java, find_java
from lab_utils.settings import settings
from lab_utils.waiting import WaitTimeout, wait_until

NAME = "kafka"
START_SECONDS = 60
ATTEMPTS = 3
FORMATTER = "kafka.tools.StorageTool"
CLEANER_BUFFER = "log.cleaner.dedupe.buffer.size=8388608"
"""A broker whose heap has no room for this buffer ends with "Error starting LogManager" (`LogCleaner`)."""


def _folder() -> Path:
    return settings().state_dir / "kafka"


def _properties_file() -> Path:
    return _folder() / "server.properties"


def log_file() -> Path:
    """The broker's log."""
    return settings().logs_dir / "kafka.log"


def _output_file() -> Path:
    return settings().logs_dir / "kafka.out"


def process() -> psutil.Process | None:
    """The running broker of this checkout."""
    arguments = ("kafka.Kafka", str(_properties_file()))
    return processes.recorded_process(NAME, *arguments) or processes.find_process(*arguments)


def port() -> int:
    """The port of the running broker, on loopback, which stays this lab's own while this process lives.

    Raises:
        LabError: it does not run. A recorded port alone is not enough: another clone may have taken it since.
    """
    running_port = _configured_port() if process() is not None else None
    if running_port is None:
        raise LabError("Kafka is not running.", "Start it with: lab up")
    processes.claim_port(running_port)
    return running_port


def _configured_port() -> int | None:
    """What the configuration says, which is written before each start: damage to `state.json` does not hide it."""
    try:
        text = _properties_file().read_text()
    except OSError:
        return None
    listener = re.search(r"^advertised\.listeners=.*:(\d+)$", text, re.MULTILINE)
    return int(listener.group(1)) if listener else None


def bootstrap_servers() -> str:
    """`host:port` of the running broker.

    Raises:
        LabError: it does not run.
    """
    return f"{processes.HOST}:{port()}"


def server_properties(port: int, controller_port: int, data: Path) -> str:
    """The broker's configuration: the whole of it, everything else is Kafka's default."""
    host = processes.HOST
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@{host}:{controller_port}",
            f"listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}",
            f"advertised.listeners=PLAINTEXT://{host}:{port}",
            "controller.listener.names=CONTROLLER",
            f"log.dirs={data.as_posix()}",
            # One broker cannot keep three copies.
            "offsets.topic.replication.factor=1",
            "offsets.topic.num.partitions=4",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
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
    )


def start() -> int:
    """Start the broker unless it runs; the port at which it accepts clients.

    Raises:
        LabError: it does not come up; the text holds the broker's own reason.
    """
    running_port = _running_port()
    if running_port is not None:
        return running_port
    java = find_java()
    _format_data(java)
    for attempt in range(ATTEMPTS):
        port = processes.choose_port(NAME, settings().kafka_port)
        controller_port = processes.choose_port("kafka_controller", port + 1, taken=[port])
        _properties_file().write_text(server_properties(port, controller_port, _folder() / "data"))
        seen_before = log_file().stat().st_size if log_file().exists() else 0
        broker = processes.spawn(_command(java), _output_file(), cwd=_folder())
        processes.write_record(NAME, processes.Record(broker.pid, port, settings().kafka_port))
        try:
            _await_clients(port, lambda broker=broker: broker.poll() is None)  # type: ignore[misc]
        except WaitTimeout:
            reason = _failure_reason(seen_before)
            broker.kill()
            broker.wait()
            port_was_taken = "already in use" in reason
            if not port_was_taken or attempt == ATTEMPTS - 1:
                raise LabError(
                    f"Kafka did not start: {reason}.",
                    "Look at `lab logs kafka`; `lab reset` starts over with empty topics and tables.",
                ) from None
        else:
            return port
    raise AssertionError("unreachable")


def _running_port() -> int | None:
    """The port of a broker that runs already and accepts clients; None when it ends meanwhile."""
    running = process()
    if running is None:
        return None
    running_port = _configured_port()
    try:
        if running_port is None:
            raise WaitTimeout("its configuration is gone")
        _await_clients(running_port, lambda: processes.is_alive(running))
    except WaitTimeout:
        if processes.is_alive(running):
            raise LabError(
                f"Kafka (process {running.pid}) runs but does not answer.",
                "Stop it and start again: lab down, then lab up",
            ) from None
        return None
    processes.keep_record(NAME, processes.Record(running.pid, running_port, settings().kafka_port))
    return running_port


def _command(java: Java) -> list[str]:
    return [
        str(java.executable),
        f"-Xmx{settings().kafka_heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        *java_options(NAME, java),
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={processes.LOG_SETTINGS.as_uri()}",
        f"-Dlab.log={log_file()}",
        "-cp",
        class_path("kafka"),
        "kafka.Kafka",
        str(_properties_file()),
    ]


def _format_data(java: Java) -> None:
    """Give the broker a formatted data folder.

    It is formatted under another name and renamed: a folder that stands under its final name is whole.
    """
    data, new = _folder() / "data", _folder() / "data.new"
    if data.exists():
        if not (data / "meta.properties").is_file():
            raise LabError(
                f"Kafka's data folder {data} is not whole (meta.properties is missing).",
                "Start over with empty topics and tables: lab reset",
            )
        return
    format_properties = _folder() / "format.properties"
    processes.remove_half_made(new, FORMATTER, str(format_properties))
    new.mkdir(parents=True)
    format_properties.write_text(server_properties(settings().kafka_port, settings().kafka_port + 1, new))
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    done = processes.run_apart(
        [
            str(java.executable),
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-Dlog4j2.level=ERROR",
            *("-cp", class_path("kafka"), FORMATTER),
            *("format", f"--cluster-id={cluster_id}", "-c", str(format_properties)),
        ],
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise LabError(
            f"Kafka's data folder could not be formatted: {lines[-1] if lines else 'no reason given'}.",
            "Free disk space or correct the permissions of the folder, then run: lab up",
        )
    new.rename(data)


def _await_clients(port: int, alive: Callable[[], bool]) -> None:
    """Wait until the broker answers a client.

    Raises:
        WaitTimeout: the broker ended, or did not answer in time.
    """

    def answers() -> bool:
        if not alive():
            raise WaitTimeout("the broker ended")
        return not processes.is_free(port) and accepts_clients(port)

    wait_until(answers, START_SECONDS, "Kafka to accept clients")


def accepts_clients(port: int) -> bool:
    """Whether the broker of this checkout answers an admin client at `port` of loopback.

    While ours is starting, that of another clone may have taken the port.
    """
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        client = KafkaAdminClient(
            bootstrap_servers=f"{processes.HOST}:{port}", bootstrap_timeout_ms=2000, request_timeout_ms=5000
        )
    except (KafkaError, OSError):
        return False
    try:
        cluster = client.describe_cluster()
        return bool(cluster["brokers"]) and cluster["cluster_id"] == _cluster_id()
    except (KafkaError, OSError):
        return False
    finally:
        client.close()


def _cluster_id() -> str | None:
    """The name that was given to this broker's data when it was formatted."""
    found = re.search(r"^cluster\.id=(.*)$", (_folder() / "data" / "meta.properties").read_text(), re.MULTILINE)
    return found.group(1) if found else None


def _failure_reason(seen_before: int) -> str:
    with log_file().open("rb") if log_file().exists() else _output_file().open("rb") as file:
        file.seek(seen_before)
        lines = file.read().decode(errors="replace").splitlines()
    telling = [line for line in lines if "Exception:" in line or "level=ERROR" in line or "level=FATAL" in line]
    output = processes.last_lines(_output_file(), ("Exception", "Error", "error"), 1)
    return (telling[-1].strip() if telling else output) or "it ended without a word"


def stop() -> bool:
    """Stop the broker; whether one ran."""
    running = process()
    if running is None:
        return False
    processes.stop_process(running, seconds=20)
    return True


def remove_data() -> None:
    """Delete all topics, offsets and groups. The broker must not run."""
    shutil.rmtree(_folder(), ignore_errors=True)
