"""A stack of its own for benchmarks and torture, so that the lab's topics and tables stay as they are.

It never uses servers elsewhere: what is done to this one is no way to treat somebody else's.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab_utils import db_utils, kafka_utils, stack
from lab_utils.errors import LabError
from lab_utils.servers import processes
from lab_utils.servers.elsewhere import NONE_ELSEWHERE
from lab_utils.servers.profiles import Profile
from lab_utils.settings import environment, settings

KEPT = "results"
"""The folder in its state folder that outlives a run."""


@contextmanager
def own_stack(name: str, profile: Profile | None = None) -> Iterator[Path]:
    """Kafka and PostgreSQL with empty topics and tables below `.lab/NAME`; the folder for results.

    Args:
        name: of the folder.
        profile: which servers; embedded ones unless it is given.

    At the end the servers are stopped and their data is deleted: ten million rows are two gigabytes.

    Raises:
        LabError: another process has this stack.
    """
    folder = settings().state_dir / name
    results = folder / KEPT
    results.mkdir(parents=True, exist_ok=True)
    with processes.lock(name) as is_ours, environment(LAB_STATE_DIR=str(folder), **NONE_ELSEWHERE):
        if not is_ours:
            raise LabError(f"Another command of this checkout works in {folder}.", "Try again when it has ended.")
        try:
            _remove_old(folder)
            stack.up(profile)
            db_utils.check_topics(kafka_utils.topic_ids())
            yield results
        finally:
            stack.down()
            _remove_old(folder)


def _remove_old(folder: Path) -> None:
    stack.down()  # of a benchmark that was killed
    for path in folder.iterdir():
        if path.name not in {KEPT, "logs"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
