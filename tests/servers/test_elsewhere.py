"""One lab uses the Kafka and the PostgreSQL of another, and a Spark cluster that is nobody's."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from lab_utils.errors import LabError
from lab_utils.kafka_utils import PARTITIONS, TOPICS
from lab_utils.servers import postgres_server
from lab_utils.settings import ROOT
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers.outside import Cluster, spark_cluster

SAMPLES = ROOT / "data_samples"
ROLES = ("lab_owner", "lab_writer", "lab_reader")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab whose servers another one uses."""
    lab = Lab(tmp_path_factory.mktemp("there") / "lab state")
    assert lab.run("up").returncode == 0
    yield lab
    lab.clear()


def addresses(lab: Lab) -> dict[str, str]:
    rows = json.loads(lab.run("status", "--json").stdout)["servers"]
    return {row["name"]: row["address"] for row in rows}


def passwords(lab: Lab) -> dict[str, str]:
    found: dict[str, str] = json.loads((lab.state_dir / "secrets.json").read_text())
    return found


def settings_for(there: Lab) -> dict[str, str]:
    found = addresses(there)
    host, port = found["postgres"].split(":")
    secret = passwords(there)
    return {
        "LAB_KAFKA_BOOTSTRAP": found["kafka"],
        "LAB_POSTGRES_HOST": host,
        "LAB_POSTGRES_PORT": port,
        "LAB_POSTGRES_PASSWORD": secret["postgres"],
        **{postgres_server.password_setting(role): secret[role] for role in ROLES},
    }


@pytest.fixture
def here(there: Lab, tmp_path: Path) -> Iterator[Lab]:
    """A lab without servers of its own, whose topics and tables are empty."""
    lab = Lab(tmp_path / "lab state").with_environment(**settings_for(there))
    done = lab.run("reset", "--yes")
    assert done.returncode == 0, done.stderr
    yield lab
    assert lab.run("down").returncode == 0
    assert lab.processes() == []


def query(there: Lab, statement: str) -> Any:
    """The one value of a statement, as superuser: through no part of the lab that is tested."""
    host, port = addresses(there)["postgres"].split(":")
    connection = psycopg2.connect(
        host=host, port=port, user="postgres", password=passwords(there)["postgres"], dbname="lab"
    )
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def record_count(there: Lab, *topics: str) -> int:
    consumer = KafkaConsumer(bootstrap_servers=addresses(there)["kafka"])
    parts = [
        TopicPartition(topic, part) for topic in topics for part in sorted(consumer.partitions_for_topic(topic) or ())
    ]
    count = sum(consumer.end_offsets(parts).values())
    consumer.close()
    return int(count)


def produce(lab: Lab) -> int:
    """Send the recorded coins; how many records were acknowledged."""
    done = lab.run("produce", "crypto", "--feed", f"file:{SAMPLES}", "--speed", "max", "--json")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["acknowledged"])


def stored(there: Lab) -> int:
    return int(query(there, "SELECT (SELECT count(*) FROM crypto_data) + (SELECT count(*) FROM dead_letters)"))


# --- Up, status, down, reset ---------------------------------------------------------------------------------------


def test_up_uses_the_servers_there_and_starts_none(there: Lab, here: Lab) -> None:
    done = here.run("up", "--json")
    assert json.loads(done.stdout) == addresses(there)
    assert here.processes() == []
    assert not [name for name in ("kafka", "postgres", "secrets.json") if (here.state_dir / name).exists()]


def test_topics_are_made_there_with_the_number_of_replicas_that_the_brokers_have(there: Lab, here: Lab) -> None:
    admin = KafkaAdminClient(bootstrap_servers=addresses(there)["kafka"])
    try:
        admin.delete_topics(list(TOPICS))
        assert here.run("reset", "--yes").returncode == 0
        for topic in admin.describe_topics(list(TOPICS)):
            assert [len(partition["replica_nodes"]) for partition in topic["partitions"]] == [1] * PARTITIONS
    finally:
        admin.close()


def test_status_and_doctor_say_that_they_are_elsewhere(there: Lab, here: Lab) -> None:
    rows = json.loads(here.run("status", "--json").stdout)["servers"]
    found = addresses(there)
    assert rows == [
        {"name": name, "running": True, "address": found[name], "pid": None, "memory_mb": None, "log": None}
        for name in ("kafka", "postgres")
    ]
    assert "elsewhere" in here.run("status").stdout
    findings = {found["check"]: found for found in json.loads(here.run("doctor", "--json").stdout)}
    assert f"sends its clients to {found['kafka']}" in findings["kafka elsewhere"]["detail"]
    assert findings["postgres elsewhere"]["ok"]
    assert not [check for check in findings if check.startswith("port of")]


def test_down_lets_them_be(there: Lab, here: Lab) -> None:
    before = json.loads(there.run("status", "--json").stdout)["servers"]
    done = here.run("down")
    assert done.returncode == 0
    assert f"kafka is elsewhere, at {addresses(there)['kafka']}: it goes on as it was." in done.stdout
    after = json.loads(there.run("status", "--json").stdout)["servers"]
    assert [row["pid"] for row in after] == [row["pid"] for row in before]


def test_reset_empties_what_is_the_labs_and_nothing_else(there: Lab, here: Lab) -> None:
    """Other people's topics and tables on the same servers must survive."""
    admin = KafkaAdminClient(bootstrap_servers=addresses(there)["kafka"])
    producer = KafkaProducer(bootstrap_servers=addresses(there)["kafka"])
    try:
        admin.create_topics({"somebody_elses": {"num_partitions": 1, "replication_factor": 1}})
        admin.wait_for_topics(["somebody_elses"])
        producer.send("somebody_elses", b"precious").get(timeout=30)
        query(there, "CREATE SCHEMA somebody_elses; CREATE TABLE somebody_elses.things AS SELECT 1 AS precious")
        count = produce(here)
        assert json.loads(here.run("consume", "--once", "--json").stdout)["records"] == count
        assert stored(there) == count > 0
        refused = here.run("reset")
        assert refused.returncode == 1
        assert stored(there) == count
        assert here.run("reset", "--yes").returncode == 0
        assert (stored(there), record_count(there, *TOPICS)) == (0, 0)
        assert record_count(there, "somebody_elses") == 1
        assert query(there, "SELECT count(*) FROM somebody_elses.things") == 1
    finally:
        admin.delete_topics(["somebody_elses"])
        query(there, "DROP SCHEMA IF EXISTS somebody_elses CASCADE")
        producer.close()
        admin.close()


# --- The pipeline --------------------------------------------------------------------------------------------------


def test_the_main_job_runs_on_servers_elsewhere_and_leaves_them_running(there: Lab, here: Lab) -> None:
    before = addresses(there)
    done = here.run("start", "--for", "5", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["complete"]
    assert summary["stored"] > 0
    assert not {"kafka", "postgres"} & set(summary["memory_mb"])
    assert addresses(there) == before
    assert here.processes() == []


def test_power_bi_is_sent_to_the_server_elsewhere(there: Lab, here: Lab, tmp_path: Path) -> None:
    done = here.with_environment(LAB_WORK_DIR=str(tmp_path / "work")).run("powerbi", "--json")
    assert json.loads(done.stdout)["server"] == addresses(there)["postgres"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with spark_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


def test_a_cluster_computes_the_queries(there: Lab, here: Lab, cluster: Cluster) -> None:
    """Its executors go on from a checkpoint that others wrote; each record is stored once."""
    on_cluster = here.with_environment(LAB_SPARK_MASTER=cluster.url, SPARK_LOCAL_IP="127.0.0.1")
    total = 0
    for lab in (here, on_cluster):
        total += produce(here)
        done = lab.run("stream", "--once", "--json")
        assert done.returncode == 0, done.stderr[-3000:]
        assert stored(there) == total
    wait_until(
        lambda: cluster.finished_applications() == ["market-stream-lab"],
        30,
        "the master to have run it",
        seen=cluster.finished_applications,
    )
    assert query(there, "SELECT sum(tick_count) FROM candles_1m") == query(there, "SELECT count(*) FROM crypto_data")


# --- What does not work is a sentence --------------------------------------------------------------------------------


def complaint(done: Any) -> str:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    told: str = done.stderr
    return told


def test_servers_that_are_away_are_named_with_the_setting(there: Lab, here: Lab) -> None:
    found = addresses(there)
    assert there.run("down").returncode == 0
    try:
        for command in (("up",), ("produce", "crypto"), ("consume", "--once"), ("stream", "--once")):
            told = complaint(here.run(*command))
            assert re.search(f"(Kafka|PostgreSQL) does not .*({found['kafka']}|{found['postgres']}|connection)", told)
            assert re.search("correct LAB_(KAFKA_BOOTSTRAP|POSTGRES_HOST) in .env", told)
            assert "lab up" not in told
            assert not [secret for secret in passwords(there).values() if secret in told]
        status = here.run("status")
        assert status.returncode == 1
        assert "does not answer" in status.stdout
        assert here.run("doctor").returncode == 1
        assert here.processes() == []
    finally:
        assert there.run("up").returncode == 0
    assert addresses(there) == found


def test_a_wrong_password_is_named_with_its_setting(here: Lab) -> None:
    for setting, role in (("LAB_POSTGRES_PASSWORD", "postgres"), ("LAB_WRITER_PASSWORD", "lab_writer")):
        told = complaint(here.with_environment(**{setting: "not this one"}).run("up"))
        assert f"refused the password of {role}" in told
        assert f"Correct {setting}" in told


def test_a_table_of_others_in_the_labs_schema_is_named(there: Lab, here: Lab) -> None:
    query(there, "CREATE TABLE public.somebody_elses (x int)")
    try:
        told = complaint(here.run("up"))
        assert "permission denied for table somebody_elses" in told
        assert "SET SCHEMA" in told
    finally:
        query(there, "DROP TABLE public.somebody_elses")
    assert here.run("up").returncode == 0


def test_a_spark_master_that_is_away_is_named_with_the_setting(here: Lab) -> None:
    told = complaint(here.with_environment(LAB_SPARK_MASTER="spark://127.0.0.1:9").run("stream", "--once"))
    assert "The Spark master does not answer at spark://127.0.0.1:9." in told


def test_a_database_that_does_not_note_commit_times_is_refused(fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dashboard asks when rows became visible: better to say so at `lab up` than there."""
    with monkeypatch.context() as patch:
        for name, value in fresh_lab.settings.items():
            patch.setenv(name, value)
        patch.setitem(postgres_server.SERVER_SETTINGS, "track_commit_timestamp", "off")
        port = postgres_server.start().rpartition(":")[2]
        secret = passwords(fresh_lab)
        patch.setenv("LAB_POSTGRES_HOST", "127.0.0.1")
        patch.setenv("LAB_POSTGRES_PORT", port)
        for role in ("postgres", *ROLES):
            patch.setenv(postgres_server.password_setting(role), secret[role])
        with pytest.raises(LabError, match="track_commit_timestamp = on"):
            postgres_server.ensure()
