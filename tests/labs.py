"""Real servers for the tests: one stack for the session, emptied between tests, and fresh ones on demand.

The fixtures belong to `tests/conftest.py` alone: imported into a second `conftest.py`, they would be others, with a
second stack whose settings take the place of the first one's.
"""

import dataclasses
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab_utils import stack
from lab_utils.settings import ROOT, settings
from lab_utils.waiting import wait_until


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without settings of this lab, or of a Kafka in a container."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "KAFKA_"))} | more


@dataclasses.dataclass(frozen=True)
class Lab:
    """A lab with its own state folder, used through its command line."""

    state_dir: Path
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment(**{**self.settings, "PYTHONPATH": str(ROOT), **self.extra})

    @property
    def settings(self) -> dict[str, str]:
        """Its folder, and ports that no other lab of the tests tries first.

        Tests run side by side. While a broker is dead another lab may take its port, and its clients would wait for
        it there.
        """
        first = 20_000 + zlib.crc32(str(self.state_dir).encode()) % 600 * 20
        places = {"KAFKA": 0, "POSTGRES": 10, "EXCHANGE": 13, "ZOOKEEPER": 15, "SPARK": 17}  # a cluster takes six
        ports = {f"LAB_{name}_PORT": str(first + place) for name, place in places.items()}
        return {"LAB_STATE_DIR": str(self.state_dir), **ports}

    def with_environment(self, **extra: str) -> "Lab":
        return dataclasses.replace(self, extra={**self.extra, **extra})

    def run(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run `lab …` to its end."""
        return subprocess.run(
            self._command(arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `lab …` in a process group of its own."""
        return subprocess.Popen(
            self._command(arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def python(self, code: str) -> str:
        """What Python code prints that uses this lab."""
        command = [sys.executable, "-c", code]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "lab_utils.entry", *arguments]

    def processes(self) -> list[psutil.Process]:
        """What runs for this lab: each command line names its state folder."""
        return list(self.command_lines())

    def command_lines(self) -> dict[psutil.Process, list[str]]:
        """What runs for this lab, with its arguments: asked for later, a process may have ended."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                found[process] = process.cmdline()
        return {
            process: arguments
            for process, arguments in found.items()
            if any(str(self.state_dir) in part for part in arguments)
        }

    def clear(self) -> None:
        """Stop everything, whatever state it is in, and see that nothing is left."""
        self.run("down")
        for process in self.processes():
            process.send_signal(signal.SIGKILL)
        wait_until(lambda: not self.processes(), 20, f"the processes of {self.state_dir} to end")


def is_loading(process: "subprocess.Popen[str]") -> bool:
    """Whether Python itself is up and imports the lab (or is past that): from then on Ctrl-C is the lab's affair."""
    try:
        return any("pydantic_core" in mapped.path for mapped in psutil.Process(process.pid).memory_maps())
    except psutil.Error:
        return False


@pytest.fixture
def fresh_lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab that has never been started."""
    lab = Lab(tmp_path / "lab state ü")
    yield lab
    lab.clear()


@pytest.fixture
def idle_lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab in which no server is started."""
    lab = Lab(tmp_path / "lab state ü")
    yield lab
    assert lab.processes() == []


@pytest.fixture(scope="session")
def session_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One running stack, which this process and its command lines share."""
    lab = Lab(tmp_path_factory.mktemp("session") / "lab")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.settings.items():
            patch.setenv(name, value)
        stack.up()
        yield lab
        lab.clear()


@pytest.fixture
def running_lab(session_lab: Lab) -> Lab:
    """The session's stack with empty topics, tables and checkpoints."""
    from lab_utils.torture.campaign import empty_everything

    assert settings().state_dir == session_lab.state_dir
    empty_everything()
    return session_lab


@pytest.fixture(scope="session")
def spark(session_lab: Lab) -> Iterator[Any]:
    """The session's Spark, in this process."""
    del session_lab
    from lab_utils.streaming.session import get_spark

    session = get_spark("tests")
    yield session
    session.stop()
