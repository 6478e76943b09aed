"""Servers that belong to no lab, as processes of this machine: what the compose files start, without the containers.

Their commands, environments and health checks are read from the compose files. What is replaced is what a container has of
its own: the name `kafka` of a host, ports, folders, and the scripts around the Java classes.
"""

import contextlib
import json
import re
import shlex
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyspark
import yaml

from lab_utils.servers import postgres_server
from lab_utils.servers.jars import class_path
from lab_utils.servers.java import find_java
from lab_utils.settings import ROOT
from lab_utils.waiting import wait_until
from tests.labs import clean_environment

HOST = "127.0.0.1"
START_SECONDS = 90
CHECK_SECONDS = 30
VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")


def service(name: str) -> dict[str, Any]:
    """One service of compose.yaml."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))["services"][name]
    return found


def free_ports(count: int) -> list[int]:
    """Ports at which nobody listens."""
    with contextlib.ExitStack() as opened:
        doors = [opened.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [int(door.getsockname()[1]) for door in doors]


@dataclass(frozen=True)
class Server:
    """A running one, and how its container would ask after its health."""

    process: "subprocess.Popen[bytes]"
    port: int
    health: Sequence[str]
    environment: Mapping[str, str]
    log: Path

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def is_healthy(self) -> bool:
        """What its health check says now."""
        try:
            done = subprocess.run(
                self.health, env=dict(self.environment), capture_output=True, timeout=CHECK_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:  # for Docker, too, this is a no
            return False
        return done.returncode == 0

    def await_health(self) -> None:
        """Wait until it is healthy; one that ends says why."""

        def is_well() -> bool:
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
            return self.is_healthy()

        wait_until(is_well, START_SECONDS, f"{self.log.stem} to be healthy", every=0.5)


@contextlib.contextmanager
def running(
    command: Sequence[str], health: Sequence[str], port: int, log: Path, environment: Mapping[str, str]
) -> Iterator[Server]:
    """A server for as long as the block runs; its children end with it."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        server = Server(process, port, health, environment, log)
        server.await_health()
        yield server
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process with all that it started."""
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(process.pid)
        for each in [*top.children(recursive=True), top]:
            with contextlib.suppress(psutil.Error):
                each.kill()
    process.wait(30)


# --- Kafka -------------------------------------------------------------------------------------------------------


def kafka_environment(ports: Sequence[int], data: Path) -> dict[str, str]:
    """The environment of the container, on loopback."""
    inside, outside, controller = ports
    replaced = {
        "kafka:19092": f"{HOST}:{inside}",
        "kafka:9093": f"{HOST}:{controller}",
        f"{HOST}:9092": f"{HOST}:{outside}",
    }
    replaced |= {
        "//:19092": f"//{HOST}:{inside}",
        "//:9092": f"//{HOST}:{outside}",
        "//:9093": f"//{HOST}:{controller}",
    }
    found = {}
    for name, text in service("kafka")["environment"].items():
        value = VARIABLE.sub(r"\1", text)
        for old, new in replaced.items():
            value = value.replace(old, new)
        found[name] = value
    return {**found, "KAFKA_LOG_DIRS": data.as_posix()}


@contextlib.contextmanager
def kafka(folder: Path) -> Iterator[Server]:
    """The broker as its container would configure, format and start it, and its address for the other containers."""
    java = str(find_java().executable)
    ports = free_ports(3)
    environment = clean_environment(
        **kafka_environment(ports, folder / "kafka-data"), CLUSTER_ID="5L6g3nShT-eMCtK--X86sw"
    )
    run_java = [java, *shlex.split(environment["KAFKA_HEAP_OPTS"]), "-cp", class_path("kafka")]
    defaults, mounted, final = (folder / name for name in ("defaults", "mounted", "final"))
    for each in (defaults, mounted, final):
        each.mkdir(parents=True)
    (final / "server.properties").touch()  # the image has one there
    dirs = [
        "--default-configs-dir",
        str(defaults),
        "--mounted-configs-dir",
        str(mounted),
        "--final-configs-dir",
        str(final),
    ]
    done = subprocess.run(
        [*run_java, "kafka.docker.KafkaDockerWrapper", "setup", *dirs],
        env=environment,
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    script, *arguments = service("kafka")["healthcheck"]["test"][1:]
    assert script == "/opt/kafka/bin/kafka-configs.sh"  # which runs this class:
    health = [*run_java, "kafka.admin.ConfigCommand", *arguments]
    health = [word.replace("kafka:19092", f"{HOST}:{ports[0]}") for word in health]
    start = [*run_java, "kafka.Kafka", str(final / "server.properties")]
    with running(start, health, ports[0], folder / "kafka.log", environment) as server:
        yield server


# --- PostgreSQL --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def postgres(folder: Path, password: str) -> Iterator[Server]:
    """A PostgreSQL without roles and database, as its container would make and start it."""
    (port,) = free_ports(1)
    data = folder / "postgres-data"
    data.mkdir(parents=True, mode=0o700)
    postgres_server._give_to_server_user(data)
    password_file = folder / "password"
    password_file.write_text(f"{password}\n")
    prefix = postgres_server._as_server_user()
    arguments = service("postgres")["environment"]["POSTGRES_INITDB_ARGS"].split()
    program = postgres_server._binary("initdb")
    subprocess.run(
        [*prefix, program, "-D", str(data), "--username=postgres", f"--pwfile={password_file}", *arguments],
        capture_output=True,
        timeout=CHECK_SECONDS,
        check=True,
    )
    _, *flags = service("postgres")["command"]
    # The image listens on all addresses of its container, and on a socket in it.
    own = [f"--port={port}", f"--listen_addresses={HOST}", "--unix_socket_directories="]
    script, *arguments = service("postgres")["healthcheck"]["test"][1:]
    health = [postgres_server._binary(script), *(word.replace("5432", str(port)) for word in arguments)]
    start = [*prefix, postgres_server._binary("postgres"), "-D", str(data), *flags, *own]
    with running(start, health, port, folder / "postgres.log", clean_environment()) as server:
        yield server


# --- Spark -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster: a master and one worker with two cores."""

    master: Server
    worker: Server
    web_port: int

    @property
    def url(self) -> str:
        return f"spark://{self.master.address}"

    def finished_applications(self) -> list[str]:
        """What the master says it has run."""
        with urllib.request.urlopen(f"http://{HOST}:{self.web_port}/json/", timeout=10) as answer:
            return [application["name"] for application in json.load(answer)["completedapps"]]


@contextlib.contextmanager
def spark_cluster(folder: Path) -> Iterator[Cluster]:
    """Master and worker as their containers would start them, on loopback, from the package of pyspark."""
    port, web_port, worker_port, worker_web_port = free_ports(4)
    places = {"7077": str(port), "8080": str(web_port), "8081": str(worker_web_port), "spark-master": HOST}
    spark_home = Path(pyspark.__file__).parent  # in the image it is /opt/spark
    spark_class = str(spark_home / "bin" / "spark-class")

    def placed(words: Sequence[str]) -> list[str]:
        return [_replaced(word, places) for word in words]

    def environment(name: str) -> dict[str, str]:
        own = {"JAVA_HOME": str(find_java().home), "SPARK_HOME": str(spark_home), "SPARK_LOCAL_IP": HOST}
        return clean_environment(**service(name)["environment"], **own)

    def health(name: str) -> list[str]:
        _, command = service(name)["healthcheck"]["test"]
        return ["sh", "-c", *placed([command])]

    folder.mkdir(parents=True, exist_ok=True)
    _, *arguments = service("spark-master")["command"]
    start = [spark_class, *placed(arguments)]
    with running(
        start, health("spark-master"), port, folder / "spark-master.log", environment("spark-master")
    ) as master:
        _, worker_class, *arguments = service("spark-worker")["command"]
        own = ["--host", HOST, "--port", str(worker_port), "--work-dir", str(folder / "work")]
        start = [spark_class, worker_class, *own, *placed(arguments)]
        with running(
            start, health("spark-worker"), worker_port, folder / "spark-worker.log", environment("spark-worker")
        ) as worker:
            yield Cluster(master, worker, web_port)


def _replaced(text: str, places: Mapping[str, str]) -> str:
    for old, new in places.items():
        text = re.sub(rf"(?<![\d]){re.escape(old)}(?![\d])", new, text)
    return text
