"""Start, find and stop the lab's background processes.

A process is recognised by its own command line, which names its program and a file of this checkout: a process id
that is left over from a crash, or that meanwhile belongs to somebody else, cannot be mistaken for a server of ours.
"""

import contextlib
import dataclasses
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from lab_utils.errors import LabError
from lab_utils.settings import settings
from lab_utils.waiting import WaitTimeout, wait_until

HOST = "127.0.0.1"
"""All servers listen on loopback only."""
STREAM = "stream"
"""Lock and record of the process that runs the Spark queries."""

TAKEN = re.compile("already in use|BindException|failed to bind")
"""In what a server says whose port somebody else has taken meanwhile; of a JVM, the first in English only."""
ATTEMPTS = 3
"""How often a server whose port was taken is started, each time with another one."""
RELEASE_SECONDS = 10

LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")
"""The log4j configuration of the lab's JVMs; `-Dlab.log` names the file."""


@dataclasses.dataclass(frozen=True)
class Record:
    """What `state.json` keeps of one server."""

    pid: int
    port: int
    wanted_port: int
    """The configured port at the time, so that a change in `.env` is noticed."""


def _state_file() -> Path:
    return settings().state_dir / "state.json"


def read_record(name: str) -> Record | None:
    """The record of the server `name`, if it was ever started here."""
    entry: Any = _read_state().get(name)
    # A damaged state file only costs the memory of the port: servers are found by command line.
    try:
        record = Record(**entry)
    except TypeError:
        return None
    return record if all(type(value) is int for value in vars(record).values()) else None


def _read_state() -> dict[str, Any]:
    try:
        state = json.loads(_state_file().read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


@contextlib.contextmanager
def lock(name: str, *, seconds: float = 0) -> Iterator[bool]:
    """Hold the lab's lock `name` for the block; whether it was to be had, or became so within `seconds`."""
    settings().state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = FileLock(settings().state_dir / f"{name}.lock")
    try:
        held.acquire(timeout=seconds)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


def write_record(name: str, record: Record) -> None:
    """Keep `record`; other servers' records stay."""
    settings().state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(settings().state_dir / "state.lock"):  # both servers start at once
        state = {**_read_state(), name: dataclasses.asdict(record)}
        write_private(_state_file(), json.dumps(state, indent=2))


def keep_record(name: str, found: Record) -> None:
    """See that `state.json` has the server that was found running; the port that was wanted at its start stays."""
    known = read_record(name)
    write_record(name, dataclasses.replace(found, wanted_port=known.wanted_port if known else found.wanted_port))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def find_process(*arguments: str) -> psutil.Process | None:
    """The running process that has all of `arguments` on its command line."""
    for process in psutil.process_iter():
        if _has_arguments(process, arguments):
            return process
    return None


def find_programs(names: Collection[str]) -> list[tuple[psutil.Process, list[str]]]:
    """The running processes that have one of `names` on their command line, with that line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            arguments = process.cmdline()
            if not set(names).isdisjoint(arguments) and is_alive(process):
                found.append((process, arguments))
    return found


def recorded_process(name: str, *arguments: str) -> psutil.Process | None:
    """The server `name` by its recorded process id, if that is still it: much cheaper than a search."""
    record = read_record(name)
    if record is None:
        return None
    try:
        process = psutil.Process(record.pid)
    except (psutil.Error, ValueError, OverflowError):
        return None
    return process if _has_arguments(process, arguments) else None


def server_process(name: str, *arguments: str) -> psutil.Process | None:
    """The running server `name` that has all of `arguments` on its command line, also when its record is damaged."""
    return recorded_process(name, *arguments) or find_process(*arguments)


def recorded_address(name: str) -> str | None:
    """`host:port` of the part of this lab that is started as `lab NAME`; None when it does not run."""
    record = read_record(name)
    running = recorded_process(name, name)
    return f"{HOST}:{record.port}" if running is not None and record is not None else None


def _has_arguments(process: psutil.Process, arguments: Sequence[str]) -> bool:
    try:
        return set(arguments) <= set(process.cmdline()) and is_alive(process)
    except psutil.Error:
        return False


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that ended and was not reaped by its parent does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def choose_port(name: str, wanted: int, *, taken: Sequence[int] = ()) -> int:
    """The port for a server: the one it had before (clients still hold that address), else the next free one.

    One that a process of another checkout claims is not free, even while nobody listens there.

    Raises:
        LabError: a hundred ports in a row are taken.
    """
    record = read_record(name)
    before: list[int] = [record.port] if record and record.wanted_port == wanted else []
    if record and before:
        _await_release(record)
    candidates: list[int] = [*before, *range(wanted, min(wanted + 100, 65536))]
    for port in candidates:
        if port not in taken and is_free(port) and (port in before or not _is_claimed_elsewhere(port)):
            return port
    raise LabError(
        f"No free port for {name} between {wanted} and {wanted + 99}.",
        f"Set LAB_{re.split('[-_]', name)[0].upper()}_PORT in .env to a free one.",  # that of spark-master is LAB_SPARK_PORT
    )


@contextlib.contextmanager
def listening(name: str, wanted: int, *, host: str = HOST) -> Iterator[socket.socket]:
    """A socket that listens at the port of `choose_port`, for a server in this process.

    From now on clients wait instead of being refused, and no other lab can take the port any more.

    Raises:
        LabError: a hundred ports in a row are taken.
    """
    taken: list[int] = []
    while True:
        port = choose_port(name, wanted, taken=taken)
        with socket.socket() as opened:
            try:
                _listen(opened, host, port)
            except OSError:  # somebody was quicker
                taken.append(port)
                continue
            yield opened
            return


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of loopback now."""
    with socket.socket() as probe:
        try:
            _listen(probe, HOST, port)
        except OSError:
            return False
    return True


def _listen(opened: socket.socket, host: str, port: int) -> None:
    if os.name == "posix":  # elsewhere this option would let two servers share the port
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((host, port))
    opened.listen(128)


def _await_release(record: Record) -> None:
    """Wait until a killed server has let go of its port.

    A process of many threads, such as a JVM, counts as ended when its first thread has, and holds its sockets until
    the last one has. Who took another port meanwhile would leave all clients behind.
    """

    def is_released() -> bool:
        try:
            return psutil.Process(record.pid).status() != psutil.STATUS_ZOMBIE or is_free(record.port)
        except (psutil.Error, ValueError, OverflowError):
            return True

    with contextlib.suppress(WaitTimeout):  # somebody else has the port, and nobody asked how the server ended
        wait_until(is_released, RELEASE_SECONDS, "the port of a killed server", every=0.05)


_claims: dict[int, socket.socket] = {}


def claim_port(port: int) -> None:
    """Keep a server's port from other checkouts for as long as this process lives, even while the server is dead.

    Clients of a dead broker ask for it at its port. Another lab that took the port meanwhile would answer them, and
    with records of its own: Kafka's protocol has no word for "you are not the one I mean". The claim is a UDP socket
    of the same number, which the system frees when the process ends, however it ends.
    """
    if port in _claims:
        return
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # all processes of a lab claim its ports
    try:
        claim.bind((HOST, port))
    except OSError:  # somebody's own use of that number
        claim.close()
    else:
        _claims[port] = claim


def _is_claimed_elsewhere(port: int) -> bool:
    if port in _claims:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def spawn(
    command: Sequence[str], output: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one and does not get its Ctrl-C; its output is appended to a file.

    Args:
        command: program and arguments.
        output: the file.
        env: its whole environment; without it, that of this process.
        cwd: where it runs.
    """
    output.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "DETACHED_PROCESS", 0)
    with output.open("ab") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
            creationflags=flags,
        )


def run_apart(
    command: Sequence[str | Path], *, seconds: float | None = None, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a tool to its end and keep what it prints.

    It does not get the terminal's Ctrl-C: a tool that dies of it looks like one that does not work, and the command
    that called it would report a fault of the machine instead of ending as it was asked to.
    """
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, check=False, start_new_session=True, env=env
    )


def stop_process(process: psutil.Process, *, seconds: float, signal_number: int = signal.SIGTERM) -> bool:
    """Ask a process to end, and kill it after `seconds`; whether it ended by itself."""
    try:
        process.send_signal(signal_number)
        # Not process.wait(): that would wait for a dead process whose parent has not yet taken notice.
        wait_until(lambda: not is_alive(process), seconds, f"process {process.pid} to end")
    except psutil.NoSuchProcess:
        return True
    except WaitTimeout:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        wait_until(lambda: not is_alive(process), 10, f"process {process.pid} to end")
        return False
    return True


def remove_half_made(folder: Path, *maker: str) -> None:
    """Remove a folder that a killed start was making.

    Its maker, known by these arguments, may have outlived that start, and the maker's own children it for a moment.

    Raises:
        LabError: the folder cannot be removed.
    """
    while (found := find_process(*maker)) is not None:
        stop_process(found, seconds=0)

    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    try:
        wait_until(is_gone, 10, f"{folder} to be removed")
    except WaitTimeout:
        raise LabError(f"{folder} cannot be removed.", "Delete it, then run: lab up") from None


def resident_bytes(process: psutil.Process) -> int:
    """Memory of a process and its children; pages shared between them count once where the system can tell."""
    total = 0.0
    try:
        members = [process, *process.children(recursive=True)]
    except psutil.Error:  # it has just ended
        return 0
    for member in members:
        try:
            memory = member.memory_full_info()
            total += getattr(memory, "pss", 0) or memory.rss
        except psutil.Error:
            continue
    return int(total)


def last_lines(path: Path, pattern: Sequence[str], count: int = 3, *, start: int = 0) -> str:
    """The last lines of a log, from byte `start` on, that hold one of the words, for a message to the user."""
    return " | ".join(_lines_with(path, pattern, start)[-count:])


def reason(path: Path, pattern: Sequence[str], *, start: int) -> str:
    """The line of a log, from byte `start` on, that says why a server ended; empty when none holds one of the words.

    A server that cannot have its port goes on to stumble over what was never made: then the last line says nothing.
    """
    found = _lines_with(path, pattern, start)
    return ([line for line in found if TAKEN.search(line)] or found or [""])[-1]


def _lines_with(path: Path, words: Sequence[str], start: int) -> list[str]:
    try:
        lines = log_text(path, start).splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if any(word in line for word in words)]


def log_text(path: Path, start: int) -> str:
    """What stands in a log from byte `start` on."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def log_end(path: Path) -> int:
    """Where the next line of a log will begin, in bytes."""
    return path.stat().st_size if path.exists() else 0


def check_state_dir(needed_bytes: int = 500_000_000) -> None:
    """Make the state folder and see that the servers can write to it.

    With `needed_bytes` 0 a full disk will do: what stops servers and deletes data must work then, too.

    Raises:
        LabError: it belongs to somebody else, the disk is full, or its path has a comma.
    """
    folder = settings().state_dir
    if needed_bytes and "," in f"{folder}{settings().jars_dir}":
        raise LabError(  # log.dirs of Kafka and spark.jars are lists with commas
            f"The path {folder} has a comma, by which Kafka and Spark would take it for several.",
            "Move the lab to a folder without one, or set LAB_STATE_DIR and LAB_JARS_DIR in .env.",
        )
    probe = folder / f"write-probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.write_bytes(b"x" * 65536)
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC and not needed_bytes:
            return
        if error.errno == errno.ENOSPC:
            raise LabError(f"The disk that holds {folder} is full.", "Free some space.") from None
        raise LabError(
            f"{folder} cannot be written by this user ({error.strerror}).",
            "Run the lab as the user who started it first, or give that folder to yourself.",
        ) from None
    free = psutil.disk_usage(str(folder)).free
    if free < needed_bytes:
        raise LabError(
            f"Only {free // 1_000_000} MB are free on the disk that holds {folder}; "
            f"Kafka and PostgreSQL need {needed_bytes // 1_000_000} MB.",
            "Free some space, or set LAB_STATE_DIR in .env to a folder on another disk.",
        )
