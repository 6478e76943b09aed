"""How many tests run at a time, and which beside which. And none changes the settings of the next."""

import os
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.labs import fresh_lab, idle_lab, running_lab, session_lab, spark

__all__ = ["fresh_lab", "idle_lab", "running_lab", "session_lab", "spark"]

TOGETHER = (
    "tests/notebooks/test_grade.py",  # one class is marked for all of them
    "tests/servers/test_directquery.py",  # half a million ticks are stored for all of them
    "tests/servers/test_docker_parts.py",  # servers as in containers are started for all of them
    "tests/servers/test_elsewhere.py",  # and here a lab that the others use
)

UNDER_FIRE = "tests/servers/test_crash_faults.py"
"""Two pipelines are under fire, each in one worker and meeting each fault once: half as long as one after the other."""


LEAST_WORKERS = 3
"""They keep two cores busy, since tests also wait."""
WORKER_BYTES = 3_000_000_000
"""A test's lab with Spark; a proof has several Sparks, most tests have none."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One a core on a machine with the memory for it."""
    return max(LEAST_WORKERS, min(os.cpu_count() or 1, psutil.virtual_memory().total // WORKER_BYTES))


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Hand out test by test, the largest groups first; what shares a dear fixture goes to one worker.

    `--dist loadgroup` is meant for this, but its marks have no effect with pytest 9 (xdist 3.8.0 renames the tests).
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        if file == UNDER_FIRE:
            return f"{file}{nodeid.rpartition('-')[2]}"
        return file if file in TOGETHER else nodeid


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The proofs begin first: one that began last would keep everybody waiting for minutes."""
    items.sort(key=lambda item: "test_course.py" not in item.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def _settings_stay() -> Iterator[None]:
    """The tests after one that left a setting behind would talk to another lab's servers."""

    def found() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith("LAB_")}

    before = found()
    yield
    assert found() == before
