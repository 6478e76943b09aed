"""What the compose files start, as processes of this machine: the same commands, environments and health checks.

No container runs here. A host name, ports and folders are replaced (`outside.py`).
"""

import json
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import run as run_program
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient

from lab_utils.servers import postgres_server
from lab_utils.settings import ROOT
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers import outside
from tests.servers.outside import Cluster, Server, service

WAIT_SECONDS = 120
needs_wget = pytest.mark.skipif(shutil.which("wget") is None, reason="the health check of Spark asks with wget")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    """What docker/.env would say."""
    roles = ("postgres", *postgres_server.ROLES)
    return {postgres_server.password_setting(role): secrets.token_urlsafe(24) for role in roles}


@pytest.fixture(scope="module")
def servers(folder: Path, known: Mapping[str, str]) -> Iterator[dict[str, Server]]:
    """Kafka and PostgreSQL, both empty."""
    with ExitStack() as opened:
        yield {
            "kafka": opened.enter_context(outside.kafka(folder)),
            "postgres": opened.enter_context(outside.postgres(folder, known["LAB_POSTGRES_PASSWORD"])),
        }


def container(name: str, servers: Mapping[str, Server], known: Mapping[str, str], state_dir: Path, **more: str) -> Lab:
    """A lab with the environment of one of its containers, and nothing else."""
    given = dict(service(name)["environment"])
    filled = {
        key: known[key] if value.startswith("${") else value for key, value in given.items() if key != "JUPYTER_TOKEN"
    }
    places = {"LAB_KAFKA_BOOTSTRAP": servers["kafka"].address, "LAB_POSTGRES_HOST": outside.HOST}
    places |= {"LAB_POSTGRES_PORT": str(servers["postgres"].port)}
    return Lab(state_dir, {**filled, **places, **more})


@pytest.fixture(scope="module")
def state_dir(
    tmp_path_factory: pytest.TempPathFactory, servers: Mapping[str, Server], known: Mapping[str, str]
) -> Iterator[Path]:
    """The volume lab-state, after topics-and-tables has run."""
    path = tmp_path_factory.mktemp("volume") / "lab state"
    lab = container("topics-and-tables", servers, known, path)
    done = lab.run(*service("topics-and-tables")["command"][1:])
    assert done.returncode == 0, done.stderr
    yield path
    lab.clear()


def is_healthy(name: str, lab: Lab, replaced: Mapping[str, str] | None = None) -> bool:
    """What the health check of one of the lab's containers says."""
    program, *arguments = service(name)["healthcheck"]["test"][1:]
    assert program == "python"
    for old, new in (replaced or {}).items():
        arguments = [word.replace(old, new) for word in arguments]
    done = run_program(
        [sys.executable, *arguments], env=lab.environment, cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    return done.returncode == 0


def words(name: str) -> Sequence[str]:
    found: Sequence[str] = service(name)["command"][1:]
    return found


def test_topics_roles_and_tables_are_made_on_empty_servers(
    servers: Mapping[str, Server], known: Mapping[str, str], state_dir: Path
) -> None:
    admin = KafkaAdminClient(bootstrap_servers=servers["kafka"].address)
    assert {"crypto_topic", "stock_topic"} < set(admin.list_topics())
    admin.close()
    for role in postgres_server.ROLES:
        psycopg2.connect(
            host=outside.HOST,
            port=servers["postgres"].port,
            user=role,
            password=known[postgres_server.password_setting(role)],
            dbname="lab",
        ).close()
    assert not (state_dir / "secrets.json").exists()
    log = servers["postgres"].log.read_text(errors="replace")
    assert not [secret for secret in known.values() if secret in log]


def test_postgresql_takes_no_login_without_the_password(servers: Mapping[str, Server]) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(host=outside.HOST, port=servers["postgres"].port, user="postgres", password="guess")


@pytest.mark.parametrize("name", ["kafka", "postgres"])
def test_a_server_that_is_gone_is_not_healthy(name: str, tmp_path: Path) -> None:
    start = outside.kafka(tmp_path) if name == "kafka" else outside.postgres(tmp_path, "secret")
    with start as server:
        assert server.is_healthy()
        outside.end(server.process)
        assert not server.is_healthy()


@needs_wget
def test_master_and_worker_know_how_they_are(tmp_path: Path) -> None:
    with outside.spark_cluster(tmp_path) as cluster:
        assert cluster.master.is_healthy()
        assert cluster.worker.is_healthy()
        for server in (cluster.worker, cluster.master):
            outside.end(server.process)
            assert not server.is_healthy()


@needs_wget
def test_the_containers_of_the_lab_work_together(
    servers: Mapping[str, Server], known: Mapping[str, str], state_dir: Path, folder: Path
) -> None:
    """Producers, the stream on a cluster and the dashboard, each with the environment of its container; all get healthy."""
    with ExitStack() as opened:
        cluster: Cluster = opened.enter_context(outside.spark_cluster(folder / "cluster"))
        on_cluster = {"LAB_SPARK_MASTER": cluster.url, "SPARK_LOCAL_IP": outside.HOST}
        labs = {
            "producer-crypto": container("producer-crypto", servers, known, state_dir),
            "producer-stocks": container("producer-stocks", servers, known, state_dir),
            "stream": container("stream", servers, known, state_dir, **on_cluster),
            "dashboard": container("dashboard", servers, known, state_dir),
        }
        (port,) = outside.free_ports(1)
        page = {"8050": str(port)}
        assert not any(is_healthy(name, lab, page) for name, lab in labs.items())
        for name, lab in labs.items():
            arguments = [outside.HOST if word == "0.0.0.0" else page.get(word, word) for word in words(name)]
            process = lab.begin(*arguments)
            opened.callback(process.communicate, timeout=60)
            opened.callback(process.terminate)
        for name, lab in labs.items():
            wait_until(lambda n=name, e=lab: is_healthy(n, e, page), WAIT_SECONDS, f"{name} to be healthy", every=1)  # type: ignore[misc]
        ticks = wait_until(lambda: _count(servers, known, "ticks"), WAIT_SECONDS, "ticks in the tables")
        assert ticks > 0
        sees = "from lab_utils.dashboard.monitor import Monitor; print(Monitor().look().is_streaming)"
        elsewhere = container("dashboard", servers, known, folder / "another machine")
        assert elsewhere.python(sees).strip() == "True"
    assert not any(is_healthy(name, lab, page) for name, lab in labs.items() if name != "stream")


def _count(servers: Mapping[str, Server], known: Mapping[str, str], table: str) -> int:
    connection: Any = psycopg2.connect(
        host=outside.HOST,
        port=servers["postgres"].port,
        user="lab_reader",
        password=known["LAB_READER_PASSWORD"],
        dbname="lab",
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


def test_each_part_gets_along_with_the_passwords_it_is_given(
    servers: Mapping[str, Server], known: Mapping[str, str], state_dir: Path
) -> None:
    """The dashboard's container reads and cannot write; the producers' knows no password at all."""
    dashboard = container("dashboard", servers, known, state_dir)
    assert dashboard.python("from lab_utils import db_utils; print(db_utils.late_ticks())").strip().isdecimal()
    ask = "from lab_utils.servers import postgres_server as p\ntry: p.password({!r})\nexcept Exception as e: print(e)"
    assert "no password for lab_writer" in dashboard.python(ask.format("lab_writer"))
    producer = container("producer-crypto", servers, known, state_dir)
    assert "no password for lab_reader" in producer.python(ask.format("lab_reader"))
    assert json.loads(producer.run("status", "--json").stdout)["servers"][0]["running"]
