"""Which servers a lab has: one broker (embedded), one that needs ZooKeeper, or a cluster.

A state folder holds the data of one profile: offsets of one Kafka mean nothing to another. Its file `profile` names it,
written by `lab up --profile NAME`, which takes another name only while there is no data.
"""

import enum
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.servers import processes
from lab_utils.settings import settings


class Profile(enum.StrEnum):
    """The sets of servers."""

    embedded = "embedded"
    """One Kafka broker that is its own controller (KRaft), and Spark inside the process that asks for it."""
    zookeeper = "zookeeper"
    """Kafka 3.9, the last one that can, with its metadata in ZooKeeper."""
    cluster = "cluster"
    """Three brokers, and a Spark master with two workers."""


def _file() -> Path:
    return settings().state_dir / "profile"


def active() -> Profile:
    """The profile of this lab.

    Raises:
        LabError: its file names none.
    """
    try:
        name = _file().read_text().strip()
    except OSError:
        return Profile.embedded
    try:
        return Profile(name)
    except ValueError:
        raise LabError(f"{_file()} names no profile.", f"Write one of {', '.join(Profile)} into it.") from None


def choose(profile: Profile) -> None:
    """Make this lab one of `profile`.

    Raises:
        LabError: it has data of another one.
    """
    before = active()
    if profile is before:
        return
    if any((settings().state_dir / name).exists() for name in ("kafka", "kafka-1", "zookeeper")):
        raise LabError(
            f"The topics and tables of this lab belong to the profile {before}.",
            f"Delete them first, or keep two labs apart with LAB_STATE_DIR: lab down, lab reset, lab up --profile {profile}",
        )
    processes.write_private(_file(), f"{profile}\n")
