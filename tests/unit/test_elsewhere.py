"""Which server the lab talks to: its own, unless a setting names one elsewhere."""

import os
import re
import socket
from pathlib import Path

import psycopg2
import pytest

from lab_utils import db_utils, kafka_utils, scratch, stack
from lab_utils.errors import LabError
from lab_utils.servers import elsewhere, kafka_server, postgres_server
from lab_utils.settings import ROOT, Settings, environment, settings
from lab_utils.streaming import session
from lab_utils.teaching import proof


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab that was never started, with an `.env` of its own and no LAB_ variables but its folder."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LAB_{name.upper()}", raising=False)
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    return tmp_path


def set_to(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"LAB_{name}", value)


@pytest.fixture
def closed_port() -> int:
    """A port of loopback at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


# --- Where ----------------------------------------------------------------------------------------------------


def test_without_a_setting_the_lab_has_its_own_servers() -> None:
    assert not kafka_server.is_elsewhere()
    assert not postgres_server.is_elsewhere()
    assert not session.is_elsewhere()
    assert postgres_server.host() == "127.0.0.1"
    assert session.master() == "local[2]"
    assert stack.elsewhere() == {}
    for server in (kafka_server, postgres_server):
        with pytest.raises(LabError, match=r"is not running\. Start it with: lab up"):
            server.address()


@pytest.mark.parametrize("servers", ["kafka:19092", "b-1.example.org:9092,b-2.example.org:9092"])
def test_brokers_elsewhere_are_where_the_setting_says(servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, KAFKA_BOOTSTRAP=servers)
    assert kafka_server.bootstrap_servers() == kafka_server.address() == servers
    assert stack.elsewhere() == {"kafka": servers}


def test_a_postgresql_elsewhere_is_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, POSTGRES_HOST="db.example.org", POSTGRES_PORT="6432")
    assert postgres_server.address() == "db.example.org:6432"
    assert stack.elsewhere() == {"postgres": "db.example.org:6432"}


def test_empty_means_not_set(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Can the environment take back what `.env` sets?"""
    (lab / ".env").write_text("LAB_KAFKA_BOOTSTRAP=kafka:9092\nLAB_POSTGRES_HOST=db\nLAB_SPARK_MASTER=yarn\n")
    assert stack.elsewhere() == {"kafka": "kafka:9092", "postgres": "db:5432"}
    assert session.is_elsewhere()
    for name, value in elsewhere.NONE_ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    assert stack.elsewhere() == {}
    assert not session.is_elsewhere()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_BOOTSTRAP", "kafka"),
        ("KAFKA_BOOTSTRAP", "kafka:9092,"),
        ("KAFKA_BOOTSTRAP", "PLAINTEXT://kafka:9092"),
        ("KAFKA_BOOTSTRAP", "kafka:9092, other:9092"),
        ("POSTGRES_HOST", "postgresql://db"),
        ("POSTGRES_HOST", "/var/run/postgresql"),
        ("SPARK_MASTER", "spark-master:7077"),
        ("SPARK_MASTER", "spark://spark-master"),
        ("SPARK_MASTER", "local"),
        ("SPARK_MASTER", "mesos://old:5050"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to(monkeypatch, **{name: value})
    with pytest.raises(LabError, match=f"The setting LAB_{name} is not usable"):
        settings()


# --- Passwords ------------------------------------------------------------------------------------------------


def test_passwords_for_a_server_elsewhere_come_from_the_settings_alone(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is a password that was made for the lab's own server sent to another one?"""
    (lab / "state").mkdir()
    (lab / "state" / "secrets.json").write_text('{"lab_owner": "own", "lab_writer": "own", "postgres": "own"}')
    assert postgres_server.password("lab_writer") == "own"
    set_to(monkeypatch, POSTGRES_HOST="db", OWNER_PASSWORD="theirs", POSTGRES_PASSWORD="root")
    assert postgres_server.password("lab_owner") == "theirs"
    assert postgres_server.password("postgres") == "root"
    with pytest.raises(LabError, match=r"no password for lab_writer\. Write LAB_WRITER_PASSWORD=… into \.env"):
        postgres_server.password("lab_writer")


def test_the_superuser_of_the_labs_own_server_keeps_its_generated_password(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab / "state").mkdir()
    (lab / "state" / "secrets.json").write_text('{"postgres": "own"}')
    set_to(monkeypatch, POSTGRES_PASSWORD="of another server")
    assert postgres_server.password("postgres") == "own"


def test_the_superusers_password_does_not_show_when_the_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, POSTGRES_PASSWORD="hush")
    assert "hush" not in f"{settings()!r} {settings()}"


def test_a_refused_password_elsewhere_is_not_answered_with_lab_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = psycopg2.OperationalError('FATAL:  password authentication failed for user "lab_writer"')
    assert "lab reset" in str(db_utils._explained(refusal, "lab_writer"))
    set_to(monkeypatch, POSTGRES_HOST="db")
    told = str(db_utils._explained(refusal, "lab_writer"))
    assert told.startswith("PostgreSQL at db:5432 refused the password of lab_writer. Correct LAB_WRITER_PASSWORD")
    assert "lab reset" not in told


@pytest.mark.parametrize(
    ("known", "asks"),
    [
        (("POSTGRES", "OWNER", "WRITER", "READER"), ("postgres", "postgres")),
        (("OWNER", "WRITER", "READER"), ("lab_owner", "lab")),
        (("WRITER", "READER"), ("lab_writer", "lab")),
        (("READER",), ("lab_reader", "lab")),
    ],
)
def test_a_server_elsewhere_is_asked_as_the_mightiest_role_that_is_known(
    known: tuple[str, ...], asks: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to(monkeypatch, POSTGRES_HOST="db", **{f"{name}_PASSWORD": "secret" for name in known})
    asked = []

    def connect(role: str, database: str) -> None:
        asked.append((role, database))
        raise psycopg2.OperationalError("nobody there")

    monkeypatch.setattr(postgres_server, "_connect", connect)
    with pytest.raises(LabError, match="PostgreSQL does not answer at db:5432: nobody there"):
        postgres_server.check_elsewhere()
    assert asked == [asks]


def test_without_any_password_the_sentence_names_the_first_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, POSTGRES_HOST="db")
    with pytest.raises(LabError, match="Write LAB_OWNER_PASSWORD=…"):
        postgres_server.check_elsewhere()


# --- One that does not answer -----------------------------------------------------------------------------------


def test_a_kafka_elsewhere_that_does_not_answer_is_a_sentence(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to(monkeypatch, KAFKA_BOOTSTRAP=f"127.0.0.1:{closed_port}")
    with pytest.raises(LabError) as raised:
        kafka_server.ensure()
    assert raised.value.what == f"Kafka does not answer at 127.0.0.1:{closed_port}."
    assert "correct LAB_KAFKA_BOOTSTRAP in .env" in raised.value.repair


def test_a_broker_that_sends_its_clients_into_the_void_is_found_at_once(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer comes from any listener; it is the advertised one that records go to."""
    set_to(monkeypatch, KAFKA_BOOTSTRAP="127.0.0.1:9092")
    with socket.create_server(("127.0.0.1", 0)) as door:
        good = {"host": "127.0.0.1", "port": door.getsockname()[1]}
        bad = {"host": "127.0.0.1", "port": closed_port}
        monkeypatch.setattr(kafka_server, "_describe", lambda _servers: {"brokers": [good]})
        assert kafka_server.check_elsewhere() == [f"127.0.0.1:{good['port']}"]
        monkeypatch.setattr(kafka_server, "_describe", lambda _servers: {"brokers": [good, bad]})
        with pytest.raises(LabError, match=f"sends its clients on to 127.0.0.1:{closed_port}.*advertised.listeners"):
            kafka_server.check_elsewhere()


def test_a_postgresql_elsewhere_that_does_not_answer_is_a_sentence(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to(monkeypatch, POSTGRES_HOST="127.0.0.1", POSTGRES_PORT=str(closed_port), POSTGRES_PASSWORD="hush")
    with pytest.raises(LabError) as raised:
        postgres_server.ensure()
    assert raised.value.what.startswith(f"PostgreSQL does not answer at 127.0.0.1:{closed_port}: ")
    assert "correct LAB_POSTGRES_HOST in .env" in raised.value.repair
    assert "hush" not in str(raised.value)


def test_a_spark_master_that_does_not_answer_is_a_sentence(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, SPARK_MASTER=f"spark://127.0.0.1:{closed_port}")
    with pytest.raises(LabError, match=r"The Spark master does not answer at spark://.*correct LAB_SPARK_MASTER"):
        session.check_elsewhere()


def test_one_of_several_spark_masters_is_enough(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        set_to(monkeypatch, SPARK_MASTER=f"spark://127.0.0.1:{closed_port},127.0.0.1:{door.getsockname()[1]}")
        session.check_elsewhere()


@pytest.mark.parametrize(
    ("url", "doors"),
    [
        ("local[4]", []),
        ("yarn", []),
        ("spark://a:7077,b:7078", [("a", 7077), ("b", 7078)]),
        ("k8s://https://k8s.example.org:6443", [("k8s.example.org", 6443)]),
        ("k8s://k8s.example.org:6443", [("k8s.example.org", 6443)]),
        ("k8s://https://k8s.example.org", [("k8s.example.org", 443)]),
    ],
)
def test_the_doors_of_a_master_url(url: str, doors: list[tuple[str, int]]) -> None:
    assert session.doors_of(url) == doors


# --- What must not reach a server elsewhere -----------------------------------------------------------------------


def test_benchmarks_torture_and_proofs_have_servers_of_their_own(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They empty topics of every name and kill servers: is any of it done to a server elsewhere?"""
    set_to(monkeypatch, KAFKA_BOOTSTRAP="kafka:9092", POSTGRES_HOST="db", SPARK_MASTER="yarn")
    seen = []

    def look(_profile: object = None) -> dict[str, str]:
        seen.append((stack.elsewhere(), session.master()))
        return {}

    monkeypatch.setattr(stack, "up", look)
    monkeypatch.setattr(stack, "down", list)
    monkeypatch.setattr(db_utils, "check_topics", lambda _ids: None)
    monkeypatch.setattr(kafka_utils, "topic_ids", dict)
    with (
        scratch.own_stack("bench"),
        environment(LAB_STATE_DIR=str(settings().state_dir.parent)),
        pytest.raises(LabError, match="Another command of this checkout works in"),
        scratch.own_stack("bench"),
    ):
        pytest.fail("two of them would stop each other's servers")
    with proof.own_stack():
        pass
    assert seen == [({}, "local[2]")] * 2
    assert stack.elsewhere() == {"kafka": "kafka:9092", "postgres": "db:5432"}
    assert os.environ["LAB_SPARK_MASTER"] == "yarn"


def test_the_page_on_scaling_names_settings_that_exist() -> None:
    page = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    named = {name.removeprefix("LAB_").lower() for name in re.findall(r"\bLAB_\w+", page)}
    assert named <= set(Settings.model_fields)
    assert {"kafka_bootstrap", "postgres_host", "postgres_port", "postgres_password", "spark_master"} <= named
