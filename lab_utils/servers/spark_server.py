"""A Spark cluster on this machine, of the profile `cluster`: a standalone master and two workers from the pip package.

https://spark.apache.org/docs/4.0.0/spark-standalone.html
"""

import dataclasses
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from lab_utils.errors import LabError
from lab_utils.servers import processes
from lab_utils.servers.java import QUICK_START, environment, find_java
from lab_utils.servers.profiles import Profile, active
from lab_utils.settings import settings
from lab_utils.waiting import WaitTimeout, wait_until

NAME = "spark"
WORKERS = 2
WORKER_MEMORY_MB = 1024
EXECUTOR_MEMORY_MB = 640
START_SECONDS = 60
DAEMON_HEAP_MB = 192
CONFIGURATION = """\
spark.worker.cleanup.enabled true
# It takes programs from anybody who reaches it, without a password.
spark.master.rest.enabled false
# Where a port is taken Spark would go to the next one, and the workers to whoever has this one.
spark.port.maxRetries 0
"""
DEEP_STACK = "-Xss32m"
"""For JVMs that run the lab's queries: the ticks' regular expression goes a step deeper with each character of a long text."""
MODULES = ("--add-modules=jdk.incubator.vector", "--add-opens=java.base/java.nio=ALL-UNNAMED")
"""What Spark's own launcher gives its JVMs (`JavaModuleOptions`), as far as these two need it."""


@dataclasses.dataclass(frozen=True)
class Daemon:
    """The master or one worker."""

    name: str
    main: str

    @property
    def folder(self) -> Path:
        """Its own files, and those of the executors that it runs."""
        return settings().state_dir / NAME / self.name

    @property
    def properties_file(self) -> Path:
        """Its configuration; on its command line, by which it is found."""
        return self.folder / "spark.conf"

    @property
    def log_file(self) -> Path:
        """Its log."""
        return settings().logs_dir / f"{self.name}.log"

    def process(self) -> psutil.Process | None:
        """The running daemon."""
        return processes.server_process(self.name, self.main, str(self.properties_file))


PAGE = "spark-master-page"
"""Record of the master's web page."""
MASTER = Daemon("spark-master", "org.apache.spark.deploy.master.Master")


def daemons() -> list[Daemon]:
    """The master, then the workers."""
    worker = "org.apache.spark.deploy.worker.Worker"
    return [MASTER, *(Daemon(f"spark-worker-{number}", worker) for number in range(1, WORKERS + 1))]


def address() -> str:
    """`host:port` of the running master.

    Raises:
        LabError: it does not run.
    """
    record = processes.read_record(MASTER.name)
    if MASTER.process() is None or record is None:
        raise LabError("The Spark master is not running.", "Start it with: lab up")
    processes.claim_port(record.port)
    return f"{processes.HOST}:{record.port}"


def page() -> str:
    """Where the master's own page is; below it, at `/json/`, the same for programs.

    Raises:
        LabError: the master does not run.
    """
    record = processes.read_record(PAGE)
    if MASTER.process() is None or record is None:
        raise LabError("The Spark master is not running.", "Start it with: lab up")
    return f"http://{processes.HOST}:{record.port}"


def _has_cluster() -> bool:
    """Whether tasks run on a cluster of the lab's own."""
    return active() is Profile.cluster and settings().spark_master is None


def takes_sessions() -> bool:
    """Whether a session can be had: that of a cluster of the lab's own needs its master."""
    return not _has_cluster() or MASTER.process() is not None


def session_settings() -> dict[str, Any]:
    """What a session needs on top of the lab's settings, so that its tasks run on the workers; nothing without a cluster.

    Raises:
        LabError: the lab has a cluster, and its master does not run.
    """
    if not _has_cluster():
        return {}
    from lab_utils.servers.jars import class_path

    return {
        "spark.master": f"spark://{address()}",
        "spark.cores.max": str(WORKERS),
        "spark.executor.cores": "1",
        "spark.executor.memory": f"{EXECUTOR_MEMORY_MB}m",
        "spark.executor.extraClassPath": class_path("spark"),
        "spark.executor.extraJavaOptions": " ".join((DEEP_STACK, *QUICK_START, "-Duser.timezone=UTC")),
    }


def ensure() -> str:
    """Start what does not run, and wait until all workers have reported; where the master takes applications.

    Raises:
        LabError: one does not come up.
    """
    _ensure_master()
    workers = daemons()[1:]
    for worker in workers:
        if worker.process() is None:
            limits = ("--cores", "1", "--memory", f"{WORKER_MEMORY_MB}m", "--work-dir", str(worker.folder / "work"))
            _spawn(worker, 0, "--webui-port", "0", *limits, f"spark://{address()}")
    _await(workers, lambda: (_alive_workers() or 0) >= len(workers))
    return address()


def _ensure_master() -> None:
    for attempt in range(processes.ATTEMPTS):
        if MASTER.process() is None:
            port = processes.choose_port(MASTER.name, settings().spark_port)
            page = processes.choose_port(PAGE, port + 1, taken=[port])
            pid = _spawn(MASTER, port, "--port", str(port), "--webui-port", str(page))
            processes.write_record(PAGE, processes.Record(pid, page, port + 1))
        try:
            _await([MASTER], lambda: _alive_workers() is not None)
        except LabError as error:
            if not processes.TAKEN.search(error.what) or attempt == processes.ATTEMPTS - 1:
                raise
        else:
            return


def _spawn(daemon: Daemon, port: int, *arguments: str) -> int:
    """Start one; its process id."""
    from lab_utils.servers.jars import spark_home

    home = spark_home()
    daemon.folder.mkdir(parents=True, exist_ok=True)
    daemon.properties_file.write_text(CONFIGURATION)
    java = find_java()
    command = [
        *java.server_command(DAEMON_HEAP_MB, daemon.log_file),
        *MODULES,
        *("-cp", str(home / "jars" / "*"), daemon.main),
        *("--host", processes.HOST, "--properties-file", str(daemon.properties_file), *arguments),
    ]
    # What is set for another Spark, such as SPARK_WORKER_PORT or SPARK_LOCAL_DIRS, would reach these daemons too.
    own = {name: value for name, value in environment().items() if not name.startswith("SPARK_")} | {
        "SPARK_HOME": str(home),
        "JAVA_HOME": str(java.home),
        "SPARK_LOCAL_IP": processes.HOST,  # their web pages would listen on all addresses
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_SCALA_VERSION": "2.13",
    }
    output = settings().logs_dir / f"{daemon.name}.out"
    started = processes.spawn(command, output, env=own, cwd=daemon.folder)
    processes.write_record(daemon.name, processes.Record(started.pid, port, settings().spark_port if port else 0))
    return started.pid


def _await(those: Sequence[Daemon], ready: Callable[[], bool]) -> None:
    def settled() -> bool:
        return any(daemon.process() is None for daemon in those) or ready()

    with suppress(WaitTimeout):
        wait_until(settled, START_SECONDS, "Spark's daemons")
    for daemon in those:
        if daemon.process() is None:
            reason = processes.last_lines(daemon.log_file, ("Exception", "ERROR", "Error"), 1) or "no reason given"
            raise LabError(f"{daemon.name} ended: {reason}.", f"Look at: lab logs {daemon.name}; then run: lab up")
    if not ready():
        raise LabError("The Spark cluster does not come up.", f"Look at: lab logs {MASTER.name}; then lab down, lab up")


def _alive_workers() -> int | None:
    """How many workers the master counts (`/json/` of its page); None when it does not answer.

    While ours is starting, that of another lab may have taken the port of its page.
    """
    import httpx

    try:
        found = httpx.get(f"{page()}/json/", timeout=5, trust_env=False).raise_for_status().json()
        return int(found["aliveworkers"]) if found["url"] == f"spark://{address()}" else None
    except (LabError, httpx.HTTPError, ValueError, KeyError):
        return None


def stop() -> bool:
    """Stop the workers, then the master; whether one ran."""
    running = [found for found in (daemon.process() for daemon in reversed(daemons())) if found is not None]
    for found in running:
        processes.stop_process(found, seconds=20)
    return bool(running)


def remove_data() -> None:
    """Delete what applications have left in the folders of the workers. They must not run."""
    shutil.rmtree(settings().state_dir / NAME, ignore_errors=True)
