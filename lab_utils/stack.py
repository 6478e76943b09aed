"""Both servers with topics and tables: up, down, status, reset."""

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import psutil

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import jars, kafka_server, postgres_server, processes

SERVERS: dict[str, ModuleType] = {"kafka": kafka_server, "postgres": postgres_server}


@dataclasses.dataclass(frozen=True)
class ServerStatus:
    """One server as `lab status` shows it."""

    name: str
    running: bool
    address: str | None
    pid: int | None
    memory_mb: int | None
    log: Path


@contextmanager
def _lock() -> Iterator[None]:
    """Hold the right to start and stop servers: two `lab up` at once are one stack."""
    processes.check_state_dir(needed_bytes=0)
    with processes.lock("stack", seconds=120) as is_ours:
        if not is_ours:
            raise LabError("Another command starts or stops the servers.", "Try again when it has ended.")
        yield


def up() -> dict[str, str]:
    """Start what does not run, side by side, and see that topics, tables and roles are there.

    Returns:
        Server name → address.

    Raises:
        LabError: a server does not start; the text holds its reason.
    """
    with _lock():
        processes.check_state_dir()
        jars.fetch_jars()
        with ThreadPoolExecutor() as pool:
            started = {name: pool.submit(server.start) for name, server in SERVERS.items()}
        ports = {name: future.result() for name, future in started.items()}
        kafka_utils.ensure_topics()
        db_utils.install_schema()
    return {name: f"{processes.HOST}:{port}" for name, port in ports.items()}


def down() -> list[str]:
    """Stop the servers; the names of those that ran."""
    with _lock():
        return _stop_servers()


def _stop_servers() -> list[str]:
    with ThreadPoolExecutor() as pool:
        stopped = {name: pool.submit(server.stop) for name, server in SERVERS.items()}
        return [name for name, future in stopped.items() if future.result()]


def status() -> list[ServerStatus]:
    """How each server is."""
    return [_status(name, server) for name, server in SERVERS.items()]


def _status(name: str, server: ModuleType) -> ServerStatus:
    process: psutil.Process | None = server.process()
    try:
        address = f"{processes.HOST}:{server.port()}" if process else None
    except LabError:  # it ended a moment ago
        process = address = None
    memory = processes.resident_bytes(process) // 1_000_000 if process else None
    return ServerStatus(name, process is not None, address, process.pid if process else None, memory, server.log_file())


def remove_data() -> None:
    """Delete topics, tables and checkpoints together, so that they never disagree. Downloads stay."""
    from lab_utils.streaming.pipeline import remove_checkpoints

    with _lock():
        _stop_servers()
        for server in SERVERS.values():
            server.remove_data()
        remove_checkpoints()
