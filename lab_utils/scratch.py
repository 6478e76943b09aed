"""A stack of its own for benchmarks and torture, so that the lab's topics and tables stay as they are."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab_utils import db_utils, kafka_utils, stack
from lab_utils.settings import settings

KEPT = "results"
"""The folder in its state folder that outlives a run."""


@contextmanager
def own_stack(name: str) -> Iterator[Path]:
    """Kafka and PostgreSQL with empty topics and tables below `.lab/NAME`; the folder for results.

    At the end the servers are stopped and their data is deleted: ten million rows are two gigabytes.
    """
    before = os.environ.get("LAB_STATE_DIR")
    folder = settings().state_dir / name
    results = folder / KEPT
    results.mkdir(parents=True, exist_ok=True)
    _use(folder)
    try:
        _remove_old(folder)
        stack.up()
        db_utils.check_topics(kafka_utils.topic_ids())
        yield results
    finally:
        stack.down()
        _remove_old(folder)
        _use(before)


def _use(state_dir: Path | str | None) -> None:
    if state_dir is None:
        del os.environ["LAB_STATE_DIR"]
    else:
        os.environ["LAB_STATE_DIR"] = str(state_dir)


def _remove_old(folder: Path) -> None:
    stack.down()  # of a benchmark that was killed
    for path in folder.iterdir():
        if path.name not in {KEPT, "logs"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
