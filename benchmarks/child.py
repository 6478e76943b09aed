"""One stage of the pipeline as the process that it is in real life: `lab stream` or `lab consume`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from lab_utils import db_utils
from lab_utils.servers import processes
from lab_utils.settings import settings
from lab_utils.ticks import CRYPTO
from lab_utils.waiting import WaitTimeout, wait_until


@contextmanager
def running(*arguments: str) -> Iterator[psutil.Process]:
    """`lab …` until the end of the block."""
    log = settings().logs_dir / f"bench_{arguments[0]}.log"
    command = [sys.executable, "-m", "lab_utils.cli", "--state-dir", str(settings().state_dir), "-v", *arguments]
    child = processes.spawn(command, log)
    try:
        yield psutil.Process(child.pid)
        if child.poll() is not None:
            raise WaitTimeout(f"`lab {' '.join(arguments)}` ended with exit code {child.returncode}; see {log}")
    finally:
        child.terminate()
        child.wait(60)


def await_rows(source: str, count: int, seconds: float = 300) -> None:
    """Wait until `count` ticks of `source` are in the table."""
    wait_until(lambda: rows_of(source) >= count, seconds, f"{count} rows of {source}", every=0.5)


def rows_of(source: str) -> int:
    """How many ticks of `source` are in the table."""
    with db_utils.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {CRYPTO.table} WHERE source = %s", (source,))
        return int(cursor.fetchone()[0])
