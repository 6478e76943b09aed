"""The faults: each function breaks something while ticks flow, sees that it did break, and mends what a person would.

What a person would mend: start a server again, start `lab stream` again, free the disk. Nothing is done to the data.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import kafka_server, postgres_server
from lab_utils.settings import settings
from lab_utils.ticks import ASSETS, CRYPTO
from lab_utils.torture.campaign import RECOVER_SECONDS, Campaign, superuser_in_lab
from lab_utils.waiting import wait_until

SLOW_ROW_SECONDS = 0.02


def kill_driver_jvm(campaign: Campaign) -> None:
    """`kill -9` of the Spark driver's JVM: `lab stream` must end by itself and say so."""
    campaign.jvm().kill()
    assert campaign.stream is not None
    campaign.stream.wait(RECOVER_SECONDS)
    assert "Traceback" not in campaign.new_log(), campaign.new_log()


def kill_python(campaign: Campaign) -> None:
    """`kill -9` of the Python process in which the sink runs."""
    campaign.kill_stream()


def kill_broker(_campaign: Campaign) -> None:
    """`kill -9` of Kafka."""
    _kill_server(kafka_server)
    kafka_server.start()


def kill_postmaster(_campaign: Campaign) -> None:
    """`kill -9` of PostgreSQL's first process; its other ones end by themselves."""
    _kill_server(postgres_server)
    postgres_server.start()


def _kill_server(server: Any) -> None:
    running = server.process()
    assert running is not None
    running.kill()
    wait_until(lambda: server.process() is None, 30, "the server to be gone")


def kill_backend_in_copy(campaign: Campaign) -> None:
    """`kill -9` of the backend that is in the middle of a COPY; PostgreSQL then restarts all of its processes."""
    table = campaign.rng.choice(ASSETS).table
    with _slow_rows(table):
        pid = wait_until(_copying_backend, RECOVER_SECONDS, "a COPY that has begun", every=0.01)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
        campaign.await_log("event=retry")


def _copying_backend() -> int:
    with superuser_in_lab() as cursor:
        # Not by its tuples: they are counted by the thousand.
        cursor.execute("SELECT pid FROM pg_stat_progress_copy WHERE bytes_processed > 0")
        found = cursor.fetchone()
        return int(found[0]) if found else 0


@contextlib.contextmanager
def _slow_rows(table: str) -> Iterator[None]:
    """A constraint that makes each new row of `table` take its time, so that a COPY can be met in its middle.

    No trigger: the sink may copy into a temporary table first, which has the constraints of `table` and not its triggers.
    """
    with db_utils.cursor("lab_owner") as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION torture_slow() RETURNS boolean LANGUAGE plpgsql AS "
            f"$$ BEGIN PERFORM pg_sleep({SLOW_ROW_SECONDS}); RETURN true; END $$;"
            f"ALTER TABLE {table} ADD CONSTRAINT torture_slow CHECK (torture_slow()) NOT VALID"
        )
    try:
        yield
    finally:
        wait_until(lambda: _try_to_drop(table), RECOVER_SECONDS, "the constraint to be dropped", every=0.2)


def _try_to_drop(table: str) -> bool:
    try:
        with db_utils.cursor("lab_owner") as cursor:
            # A slow batch holds the table: end it, it is tried again.
            cursor.execute("SET lock_timeout = '200ms'")
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS torture_slow")
    except (LabError, psycopg2.OperationalError):
        with contextlib.suppress(LabError, psycopg2.OperationalError), superuser_in_lab() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                "WHERE relation = %s::regclass AND mode = 'RowExclusiveLock' AND granted",
                (table,),
            )
        return False
    return True


def kill_producer(campaign: Campaign) -> None:
    """`kill -9` of the producer."""
    campaign.stop_producer()


def restart_database(_campaign: Campaign) -> None:
    """PostgreSQL is stopped and started."""
    postgres_server.stop()
    postgres_server.start()


def replay_a_batch(campaign: Campaign) -> None:
    """The newest commit files of the checkpoints are gone: the driver died between the two commits."""
    campaign.stop_stream()
    for query in ("ticks", "candles"):
        remove_newest_commit(settings().checkpoints_dir / query)


def remove_newest_commit(checkpoint: Path) -> None:
    """What a driver leaves that is killed after the database's commit and before Spark's own note of it."""
    commits = checkpoint / "commits"
    newest = max(int(path.name) for path in commits.iterdir() if path.name.isdecimal())
    (commits / str(newest)).unlink()
    (commits / f".{newest}.crc").unlink()


def delete_checkpoints(campaign: Campaign) -> None:
    """The checkpoints are gone: everything is read again, under new query ids."""
    campaign.kill_stream()
    shutil.rmtree(settings().checkpoints_dir)


def second_sink(campaign: Campaign) -> None:
    """The queries run twice on the same tables, the second time from the beginning of the topics."""
    with campaign.second_pipeline():
        time.sleep(campaign.rng.random())


def recreate_topic_while_stopped(campaign: Campaign) -> None:
    """A topic is deleted and created again under a kept checkpoint: the next start must refuse, with the repair."""
    campaign.stop_producer()
    campaign.stop_stream()
    create_again(campaign.rng.choice(ASSETS).topic)
    campaign.start_stream()
    _must_refuse(campaign)


def recreate_topic_while_running(campaign: Campaign) -> None:
    """The same under running queries: they must end, and say what happened and the repair."""
    campaign.stop_producer()
    create_again(campaign.rng.choice(ASSETS).topic)
    _must_refuse(campaign)


def _must_refuse(campaign: Campaign) -> None:
    assert campaign.stream is not None
    code = campaign.stream.wait(RECOVER_SECONDS)
    said = campaign.new_log()
    assert code == 1 and "lab reset" in said and "Traceback" not in said, f"exit code {code}: {said[-1500:]}"
    campaign.forget()  # what `lab reset` does


def create_again(topic: str) -> None:
    """Delete a topic and make it anew: the same name, offsets from 0, another id."""
    with kafka_utils.admin() as client:
        client.delete_topics([topic])
        wait_until(lambda: topic not in client.list_topics(), 20, "the topic to be deleted")
    kafka_utils.ensure_topics()


def fill_the_disk(campaign: Campaign) -> None:
    """The file system of a table is full, until somebody frees it."""
    table = campaign.rng.choice((*(asset.table for asset in ASSETS), CRYPTO.table))
    with small_disk(16 + _megabytes_of(table)) as folder, _on_disk(table, folder):
        ballast = folder / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        campaign.await_log("No space left on device")
        campaign.await_log("event=retry")
        ballast.unlink()
        # Before the table moves back it must have been written to.
        campaign.await_log("event=batch_stored")


def _megabytes_of(table: str) -> int:
    with db_utils.cursor() as cursor:
        cursor.execute("SELECT pg_table_size(%s) >> 20", (table,))
        return int(cursor.fetchone()[0])


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory, where PostgreSQL may write.

    Raises:
        LabError: this needs Linux and root, as CI has them.
    """
    folder = Path(tempfile.mkdtemp(prefix="lab-small-disk-"))
    owner = postgres_server.process()
    try:
        options = f"size={megabytes}m,mode=0777"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
        )
        if owner is None or done.returncode:
            raise LabError("A small file system cannot be mounted here.", "This fault needs Linux and root.")
        folder.chmod(0o777)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], capture_output=True, check=False)
        folder.rmdir()


@contextlib.contextmanager
def _on_disk(table: str, folder: Path) -> Iterator[None]:
    location = folder / "tablespace"
    location.mkdir(mode=0o700)
    uid = (settings().state_dir / "postgres" / "data").stat().st_uid
    os.chown(location, uid, uid)
    with superuser_in_lab() as cursor:
        run = cursor.execute
        run(f"CREATE TABLESPACE torture LOCATION '{location}'")
        run("GRANT CREATE ON TABLESPACE torture TO lab_owner")
        run(f"ALTER TABLE {table} SET TABLESPACE torture")
        try:
            yield
        finally:
            run(f"ALTER TABLE {table} SET TABLESPACE pg_default")
            run("DROP TABLESPACE torture")


def reach_the_connection_limit(campaign: Campaign) -> None:
    """The sink's connections are cut and no new one is allowed, until somebody raises the limit."""
    with superuser_in_lab() as cursor:
        run = cursor.execute
        run("ALTER ROLE lab_writer CONNECTION LIMIT 0")
        try:
            run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lab_writer'")
            campaign.await_log("too many connections")
        finally:
            run("ALTER ROLE lab_writer CONNECTION LIMIT -1")


Fault = Callable[[Campaign], None]
FAULTS: tuple[Fault, ...] = (
    kill_driver_jvm,
    kill_python,
    kill_broker,
    kill_postmaster,
    kill_backend_in_copy,
    kill_producer,
    restart_database,
    replay_a_batch,
    delete_checkpoints,
    second_sink,
    recreate_topic_while_stopped,
    recreate_topic_while_running,
    fill_the_disk,
    reach_the_connection_limit,
)


def name_of(fault: Fault) -> str:
    """The fault's name for people."""
    return fault.__name__.replace("_", " ")


def moment(campaign: Campaign) -> None:
    """Let a random, seeded time pass, so that the fault meets the batches anywhere."""
    time.sleep(campaign.rng.uniform(0, 0.6))
