"""Connections to the lab's PostgreSQL, and its schema."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

from lab_utils.errors import LabError
from lab_utils.servers import postgres_server

if TYPE_CHECKING:
    from sqlalchemy import Engine, Pool


class TopicChangedError(LabError):
    """A topic was deleted and created again: its offsets now name other records than the stored ones."""


DATABASE = "lab"
SQL_FOLDER = Path(__file__).with_name("sql")
OPTIONS = "-c timezone=UTC"

UNLIMITED = "-c statement_timeout=0"
"""The limit of lab_reader is for people and for tools that write their own SQL, not for what the lab itself counts."""

OWNER_LOCK_SECONDS = 30
"""How long lab_owner, who changes tables and views, waits for somebody who reads them. The wait is in libpq, where Ctrl-C
is not heard, and whoever wants to read meanwhile waits behind it."""

CANCELED = "57014"
"""PostgreSQL's code for a statement that was ended from outside or by its time limit."""


def _session(role: str, *more: str) -> dict[str, Any]:
    """What every session begins with.

    On loopback nobody listens in; a server elsewhere is spoken to encrypted when it can.
    """
    return {
        "options": " ".join((OPTIONS, *more, *[f"-c lock_timeout={OWNER_LOCK_SECONDS}s"] * (role == "lab_owner"))),
        "sslmode": "prefer" if postgres_server.is_elsewhere() else "disable",
    }


def connect(role: str = "lab_reader", **options: Any) -> Any:
    """A psycopg2 connection; the session's time zone is UTC, and its statements may take as long as they need.

    Raises:
        LabError: the server does not run, or refuses the password.
    """
    port = postgres_server.port()
    try:
        return psycopg2.connect(
            host=postgres_server.host(),
            port=port,
            dbname=DATABASE,
            user=role,
            password=postgres_server.password(role),
            connect_timeout=10,
            application_name="market-stream-lab",
            **_session(role, UNLIMITED),
            **options,
        )
    except psycopg2.OperationalError as error:
        raise _explained(error, role) from error


def _explained(error: psycopg2.OperationalError, role: str) -> LabError:
    if "password authentication failed" in str(error):
        setting = postgres_server.password_setting(role)
        if postgres_server.is_elsewhere():
            return LabError(
                f"PostgreSQL at {postgres_server.address()} refused the password of {role}.",
                f"Correct {setting} in .env: it is the one with which the role was made there.",
            )
        return LabError(
            f"PostgreSQL refused the password of {role}.",
            f"If .env sets {setting}, remove that line: the password was chosen when the database was made. "
            "`lab reset` starts over with the new one.",
        )
    reason = str(error).strip().splitlines()[-1]
    return LabError(f"PostgreSQL does not accept a connection: {reason}.", postgres_server.repair())


def engine(role: str = "lab_reader", *, poolclass: "type[Pool] | None" = None, **session: str) -> "Engine":
    """A SQLAlchemy engine, for notebooks and dashboards; it connects at its first query.

    As lab_reader a statement may take 5 s and write nothing, unless `session` says otherwise.

    Args:
        role: as whom.
        poolclass: SQLAlchemy's, when a connection should not stay open between two queries.
        **session: settings of its sessions, such as `search_path` or another `timezone` than UTC; no spaces.

    Raises:
        LabError: the server does not run.
    """
    from sqlalchemy import URL, create_engine

    url = URL.create(
        "postgresql+psycopg2",
        username=role,
        password=postgres_server.password(role),
        host=postgres_server.host(),
        port=postgres_server.port(),
        database=DATABASE,
    )
    options = _session(role, *(f"-c {name}={value}" for name, value in session.items()))
    return create_engine(url, poolclass=poolclass, connect_args=options)


@contextmanager
def cursor(role: str = "lab_reader") -> Iterator[Any]:
    """A cursor in a transaction that is committed at the end, or rolled back when the block raises.

    Raises:
        LabError: the server does not run, refuses the password, or cut the connection; or lab_owner waited in vain.
    """
    connection = connect(role)
    try:
        with connection.cursor() as opened:
            yield opened
        connection.commit()
    except psycopg2.errors.LockNotAvailable as error:
        raise LabError(
            "Somebody has a transaction open that has read from the lab's tables, so they cannot be changed.",
            "Close it: an open connection in a notebook (restart its kernel), a SQL client. Then try again.",
        ) from error
    except psycopg2.OperationalError as error:
        if not connection.closed:
            raise
        reason = str(error).strip().splitlines()[0]
        raise LabError(f"PostgreSQL cut the connection: {reason}.", postgres_server.repair()) from error
    finally:
        connection.close()


def install_schema() -> None:
    """Create the tables, rights and views that are missing, and see that each role can log in.

    Raises:
        LabError: the server is not there, or something that is not the lab's stands in the way.
    """
    with cursor("lab_owner") as opened:
        for name in ("schema.sql", "views.sql", "bi.sql", "roles.sql"):
            try:
                opened.execute((SQL_FOLDER / name).read_text())
            except psycopg2.ProgrammingError as error:
                reason = str(error).strip().splitlines()[0]
                raise LabError(
                    f"The database {DATABASE} does not take the lab's {name}: {reason}.",
                    "The schemas public and bi in it are the lab's. Move what is not: ALTER TABLE … SET SCHEMA …",
                ) from error
    for role in ("lab_writer", "lab_reader"):
        connect(role).close()


def has_schema() -> bool:
    """Whether the tables, rights and views are installed.

    Raises:
        LabError: the server is not there.
    """
    with cursor("lab_reader") as opened:
        opened.execute("SELECT to_regclass('bi.trends') IS NOT NULL")  # the last thing that is made
        return bool(opened.fetchone()[0])


def empty_tables() -> None:
    """Delete every row, as for a lab that has seen nothing yet. Only together with topics and checkpoints: `lab reset`."""
    with cursor("lab_owner") as opened:
        opened.execute(
            "TRUNCATE crypto_data, stock_data, candles_1m, dead_letters, stream_commits, stream_topics,"
            " pipeline_progress;"
            "UPDATE candle_watermark SET watermark = '-infinity', late_ticks = 0"
        )


def late_ticks() -> int:
    """How many ticks so far came later than the watermark of the candle query."""
    with cursor("lab_reader") as opened:
        opened.execute("SELECT late_ticks FROM candle_watermark")
        return int(opened.fetchone()[0])


def check_topics(topic_ids: Mapping[str, str]) -> None:
    """See that the stored offsets belong to these topics, and remember the topics seen for the first time.

    Raises:
        TopicChangedError: a topic was deleted and created again.
        LabError: the database is not there.
    """
    with cursor("lab_writer") as opened:
        for topic, topic_id in topic_ids.items():
            opened.execute(
                "INSERT INTO stream_topics VALUES (%s, %s) ON CONFLICT (topic) DO NOTHING", (topic, topic_id)
            )
            opened.execute("SELECT topic_id FROM stream_topics WHERE topic = %s", (topic,))
            if str(opened.fetchone()[0]) != topic_id:
                raise TopicChangedError(
                    f"The topic {topic} was deleted and created again: its offsets start anew, and its records "
                    "would be taken for ones that are stored already.",
                    "Empty topics, checkpoints and tables together: lab reset",
                )
