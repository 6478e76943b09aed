"""A second lab beside the learner's own, for lessons whose servers are of another kind: a cluster, a ZooKeeper."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lab_utils.servers.elsewhere import NONE_ELSEWHERE
from lab_utils.settings import environment, settings

FURTHER = 10
"""How far its ports lie from those of the lab: each keeps its own when it is started again."""


@contextlib.contextmanager
def another_lab(folder: Path) -> Iterator[None]:
    """Inside it `lab(…)` and `lab_utils` mean a lab in `folder`, with servers and data of its own.

    The servers go on when it is left. With a folder below that of the lesson, `clean_slate` and `lab reset NN` stop them.
    """
    ports = {f"LAB_{name}_PORT": getattr(settings(), f"{name.lower()}_port") for name in ("KAFKA", "POSTGRES")}
    further = {name: str(port + FURTHER) for name, port in ports.items()}
    with environment(LAB_STATE_DIR=str(folder), **further, **NONE_ELSEWHERE):
        yield
