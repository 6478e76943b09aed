"""The servers of the lab's profile with topics and tables: up, down, status, reset.

Those elsewhere are used, and never stopped.
"""

import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

import psutil

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import (
    jars,
    kafka_server,
    postgres_server,
    processes,
    profiles,
    spark_server,
    zookeeper_server,
)
from lab_utils.servers.profiles import Profile
from lab_utils.settings import settings

LEFTOVER_SECONDS = 3


@dataclasses.dataclass(frozen=True)
class ServerStatus:
    """One server as `lab status` shows it."""

    name: str
    running: bool
    address: str | None
    pid: int | None
    memory_mb: int | None
    log: Path | None
    """None when it is elsewhere."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is none of this checkout's processes."""
        return self.log is None


@contextmanager
def _lock() -> Iterator[None]:
    """Hold the right to start and stop servers: two `lab up` at once are one stack."""
    processes.check_state_dir(needed_bytes=0)
    with processes.lock("stack", seconds=120) as is_ours:
        if not is_ours:
            raise LabError("Another command starts or stops the servers.", "Try again when it has ended.")
        yield


STORES: dict[str, ModuleType] = {"kafka": kafka_server, "postgres": postgres_server}
"""What every lab has, and what may be elsewhere."""


def _servers() -> dict[str, ModuleType]:
    """The servers of the lab's profile, what others need first."""
    if profiles.active() is Profile.zookeeper:
        return {"zookeeper": zookeeper_server, **STORES}
    return {**STORES, "spark": spark_server} if profiles.active() is Profile.cluster else STORES


def up(profile: Profile | None = None) -> dict[str, str]:
    """Start what does not run, side by side, and see that topics, tables and roles are there, here or elsewhere.

    Args:
        profile: what servers the lab shall have, when it has none yet; else those that it has.

    Returns:
        Server name → its address, or several with commas.

    Raises:
        LabError: a server does not start, or one elsewhere does not answer; the text holds the reason.
    """
    with _lock():
        processes.check_state_dir()
        if profile is not None:
            profiles.choose(profile)
        jars.fetch_jars()
        servers = _servers()
        addresses = {"zookeeper": zookeeper_server.start()} if "zookeeper" in servers else {}
        with ThreadPoolExecutor() as pool:
            started = {name: pool.submit(server.ensure) for name, server in servers.items() if name not in addresses}
        addresses |= {name: future.result() for name, future in started.items()}
        kafka_utils.ensure_topics()
        db_utils.install_schema()
    return addresses


def down() -> list[str]:
    """Stop the servers; the names of those that ran."""
    with _lock():
        return _stop_servers()


def _stop_servers() -> list[str]:
    servers = _servers()
    with ThreadPoolExecutor() as pool:
        stopped = {name: pool.submit(server.stop) for name, server in servers.items() if name != "zookeeper"}
    names = [name for name, future in stopped.items() if future.result()]
    if "zookeeper" in servers and zookeeper_server.stop():  # after the broker, which takes its leave of it
        names.append("zookeeper")
    for leftover in leftovers():
        processes.stop_process(leftover, seconds=LEFTOVER_SECONDS)
        names.append(f"process {leftover.pid} of another profile or a lesson")
    return names


@dataclasses.dataclass(frozen=True)
class Part:
    """One process that belongs to the lab's servers."""

    name: str
    process: psutil.Process | None
    port: int | None
    """Where it takes clients, while it runs."""
    log: Path


def parts() -> list[Part]:
    """Each server process of the lab's profile, whether it runs or not."""
    found = [Part(broker.name, broker.process(), broker.port(), broker.log_file) for broker in kafka_server.brokers()]
    postgres_port = None
    with suppress(LabError):  # it does not run
        postgres_port = postgres_server.port()
    found.append(Part("postgres", postgres_server.process(), postgres_port, postgres_server.log_file()))
    if profiles.active() is Profile.zookeeper:
        log = zookeeper_server.log_file()
        found.insert(0, Part("zookeeper", zookeeper_server.process(), _recorded_port("zookeeper"), log))
    if profiles.active() is Profile.cluster:
        found += [
            Part(daemon.name, daemon.process(), _recorded_port(daemon.name), daemon.log_file)
            for daemon in spark_server.daemons()
        ]
    return found


def _recorded_port(name: str) -> int | None:
    record = processes.read_record(name)
    return record.port or None if record else None


MAINS = {"kafka.Kafka", zookeeper_server.MAIN, *(daemon.main for daemon in spark_server.daemons())}
"""The main classes of the servers that run in Java."""


def leftovers() -> list[psutil.Process]:
    """Servers in this state folder that its profile does not have, and what belongs to them.

    The file `profile` was changed while they ran, or a lesson was left in the middle that has started servers of its own.
    Those of a benchmark, or of what else works in `scratch.own_stack` now, are in use.
    """
    known = {part.process.pid for part in parts() if part.process is not None}
    folder = f"{settings().state_dir}{os.sep}"
    found = {
        process: next((argument for argument in arguments if argument.startswith(folder)), None)
        for process, arguments in processes.find_programs({*MAINS, postgres_server.LISTENS, "lab_utils.cli"})
        if process.pid not in known
    }
    return [process for process, path in found.items() if path is not None and not _is_in_use(path)]


def _is_in_use(path: str) -> bool:
    name = Path(path).relative_to(settings().state_dir).parts[0]
    if not (settings().state_dir / f"{name}.lock").exists():
        return False
    with processes.lock(name) as is_free:
        return not is_free


def status() -> list[ServerStatus]:
    """How each server is."""
    away = {name: server for name, server in STORES.items() if server.is_elsewhere()}
    here = [_status(part) for part in parts() if part.name not in away]
    return [
        *(ServerStatus(name, _answers(server), server.address(), None, None, None) for name, server in away.items()),
        *here,
    ]


def _status(part: Part) -> ServerStatus:
    running = part.process if part.process is not None and processes.is_alive(part.process) else None
    address = f"{processes.HOST}:{part.port}" if running and part.port else None
    memory = processes.resident_bytes(running) // 1_000_000 if running else None
    return ServerStatus(part.name, running is not None, address, running.pid if running else None, memory, part.log)


def _answers(server: ModuleType) -> bool:
    try:
        server.check_elsewhere()
    except LabError:
        return False
    return True


def elsewhere() -> dict[str, str]:
    """The servers that are none of this checkout's: name → address."""
    return {name: server.address() for name, server in STORES.items() if server.is_elsewhere()}


def remove_data() -> None:
    """Delete topics, tables and checkpoints together, so that they never disagree. Downloads stay.

    Of servers elsewhere only the lab's own topics are deleted, and the rows of its tables.

    Raises:
        LabError: a server elsewhere does not answer; then nothing is deleted.
    """
    from lab_utils.streaming.pipeline import remove_checkpoints

    with _lock():
        if kafka_server.is_elsewhere():
            kafka_server.check_elsewhere()
        has_tables = postgres_server.is_elsewhere() and db_utils.has_schema()
        _stop_servers()
        if kafka_server.is_elsewhere():
            kafka_utils.delete_topics()
        else:
            kafka_server.remove_data()
        if has_tables:
            db_utils.empty_tables()
        elif not postgres_server.is_elsewhere():
            postgres_server.remove_data()
        zookeeper_server.remove_data()
        spark_server.remove_data()
        remove_checkpoints()
