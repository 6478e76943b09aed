"""The ZooKeeper of the profile of that name, where a Kafka before 4.0 kept its metadata."""

import shutil
import socket
from pathlib import Path

import psutil

from lab_utils.errors import LabError
from lab_utils.servers import processes
from lab_utils.servers.jars import class_path
from lab_utils.servers.java import as_properties, environment, find_java
from lab_utils.settings import settings
from lab_utils.waiting import WaitTimeout, wait_until

NAME = "zookeeper"
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
START_SECONDS = 60
HEAP_MB = 128


def _folder() -> Path:
    return settings().state_dir / NAME


def _config_file() -> Path:
    return _folder() / "zoo.cfg"


def log_file() -> Path:
    """Its log."""
    return settings().logs_dir / f"{NAME}.log"


def process() -> psutil.Process | None:
    """The running ZooKeeper of this checkout."""
    return processes.server_process(NAME, MAIN, str(_config_file()))


def address() -> str:
    """`host:port` of the running server.

    Raises:
        LabError: it does not run.
    """
    record = processes.read_record(NAME)
    if process() is None or record is None:
        raise LabError("ZooKeeper is not running.", "Start it with: lab up")
    processes.claim_port(record.port)
    return f"{processes.HOST}:{record.port}"


def start() -> str:
    """Start it unless it runs; where it takes clients.

    Raises:
        LabError: it does not come up.
    """
    for attempt in range(processes.ATTEMPTS):
        seen_before = processes.log_end(log_file())
        if process() is None:
            _launch()
        try:
            wait_until(lambda: process() is None or answers(), START_SECONDS, "ZooKeeper to answer")
        except WaitTimeout:
            raise LabError(
                "ZooKeeper runs but does not answer.", "Stop it and start again: lab down, then lab up"
            ) from None
        if process() is not None:
            break
        reason = processes.reason(log_file(), ("Exception", "ERROR"), start=seen_before) or "it ended without a word"
        if not processes.TAKEN.search(reason) or attempt == processes.ATTEMPTS - 1:
            raise LabError(f"ZooKeeper did not start: {reason}.", f"Look at: lab logs {NAME}")
    return address()


def _launch() -> None:
    port = processes.choose_port(NAME, settings().zookeeper_port)
    _folder().mkdir(parents=True, exist_ok=True)
    _config_file().write_text(as_properties(_configuration(port)))
    command = [
        *find_java().server_command(HEAP_MB, log_file()),
        *("-cp", class_path("kafka_zookeeper"), MAIN, str(_config_file())),
    ]
    started = processes.spawn(command, settings().logs_dir / f"{NAME}.out", env=environment(), cwd=_folder())
    processes.write_record(NAME, processes.Record(started.pid, port, settings().zookeeper_port))


def _data() -> Path:
    return _folder() / "data"


def _configuration(port: int) -> str:
    return "\n".join(
        [
            f"dataDir={_data().as_posix()}",
            f"clientPortAddress={processes.HOST}",
            f"clientPort={port}",
            "admin.enableServer=false",
            # Those commands of four letters that tell how it is and who; the others are off by default.
            "4lw.commands.whitelist=ruok,srvr,conf",
            "",
        ]
    )


def answers() -> bool:
    """Whether it is this lab's own that answers at its port, as it says itself (`conf`, ZooKeeper's Administrator's Guide).

    While ours is starting, that of another lab may have taken the port.
    """
    record = processes.read_record(NAME)
    if record is None:
        return False
    said = b""
    try:
        with socket.create_connection((processes.HOST, record.port), timeout=2) as connection:
            connection.sendall(b"conf")
            while part := connection.recv(4096):
                said += part
    except OSError:
        return False
    return any(line.startswith(f"dataDir={_data()}") for line in said.decode(errors="replace").splitlines())


def stop() -> bool:
    """Stop it; whether it ran. The broker must be down: without ZooKeeper it cannot end in order."""
    running = process()
    if running is not None:
        processes.stop_process(running, seconds=20)
    return running is not None


def remove_data() -> None:
    """Delete what Kafka keeps in it. It must not run."""
    shutil.rmtree(_folder(), ignore_errors=True)
