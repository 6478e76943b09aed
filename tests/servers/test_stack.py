"""`lab up`, `down`, `status`, `logs`, `reset` and `doctor` on real servers, in good and in bad times."""

import dataclasses
import ipaddress
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import psycopg2
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from pyspark.sql import SparkSession

from lab_utils import db_utils, kafka_utils
from lab_utils.errors import LabError
from lab_utils.servers import class_archives, kafka_server, postgres_server, processes
from lab_utils.servers.java import find_java
from lab_utils.settings import ROOT, settings
from lab_utils.waiting import wait_until
from tests.labs import Lab, is_loading

SERVERS = ("kafka", "postgres")
ROLES = ("lab_owner", "lab_writer", "lab_reader")
NOBODY = 65534


# --- What is running, and what it holds ---------------------------------------------------------------------


def servers(lab: Lab) -> dict[str, dict[str, Any]]:
    """What `lab status` says of each server."""
    rows = json.loads(lab.run("status", "--json").stdout)["servers"]
    return {row["name"]: row for row in rows}


def ports(lab: Lab) -> dict[str, int]:
    """Where the servers were told to listen, from their own files: quicker than a command, and no part of the lab."""
    properties = (lab.state_dir / "kafka" / "server.properties").read_text()
    found = re.search(r"^advertised.listeners=.*:(\d+)$", properties, re.MULTILINE)
    assert found
    postmaster = (lab.state_dir / "postgres" / "data" / "postmaster.pid").read_text().splitlines()
    return {"kafka": int(found.group(1)), "postgres": int(postmaster[3])}


def pids(lab: Lab) -> dict[str, int]:
    """The servers that run, from the system's list of processes."""
    programs = {"kafka": "kafka.Kafka", "postgres": "listen_addresses=127.0.0.1"}
    running = lab.command_lines()
    return {
        name: process.pid
        for name, word in programs.items()
        for process, arguments in running.items()
        if word in arguments
    }


def up(lab: Lab) -> dict[str, int]:
    """`lab up` must work; the ports."""
    done = lab.run("up", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: int(address.rpartition(":")[2]) for name, address in json.loads(done.stdout).items()}


@contextmanager
def database(lab: Lab, role: str = "lab_owner", **options: Any) -> Iterator[Any]:
    """A cursor in a session of its own, which commits each statement."""
    passwords = json.loads((lab.state_dir / "secrets.json").read_text())
    login = {"user": role, "password": passwords[role], "dbname": "lab", "passfile": os.devnull}
    connection = psycopg2.connect(host="127.0.0.1", port=ports(lab)["postgres"], **{**login, **options})
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def add_row(lab: Lab) -> None:
    with database(lab) as cursor:
        cursor.execute("INSERT INTO stream_topics VALUES (%s, gen_random_uuid())", (secrets.token_hex(8),))


def row_count(lab: Lab) -> int:
    with database(lab) as cursor:
        cursor.execute("SELECT count(*) FROM stream_topics")
        return int(cursor.fetchone()[0])


def broker(lab: Lab) -> str:
    return f"127.0.0.1:{ports(lab)['kafka']}"


def add_record(lab: Lab) -> None:
    producer = KafkaProducer(bootstrap_servers=broker(lab))
    producer.send("crypto_topic", b"any bytes").get(timeout=30)
    producer.close()


def record_count(lab: Lab, *topics: str) -> int:
    consumer = KafkaConsumer(bootstrap_servers=broker(lab))
    parts = [
        TopicPartition(topic, part)
        for topic in topics or ("crypto_topic",)
        for part in consumer.partitions_for_topic(topic) or ()
    ]
    count = sum(consumer.end_offsets(parts).values())
    consumer.close()
    return int(count)


def topic_names(lab: Lab) -> set[str]:
    consumer = KafkaConsumer(bootstrap_servers=broker(lab))
    names = set(consumer.topics())
    consumer.close()
    return names


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill(*process_ids: int) -> None:
    """End processes as a crash would, and see that they are gone."""
    found = [psutil.Process(pid) for pid in process_ids]
    for process in found:
        process.kill()
    wait_until(lambda: not any(map(alive, found)), 20, "the killed processes to end")


@contextmanager
def bystander(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A program that is none of the lab's."""
    command = [sys.executable, "-c", "import time; time.sleep(600)", *arguments]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("crashes") / "lab")
    yield lab
    lab.clear()


@pytest.fixture
def crash_lab(module_lab: Lab) -> Lab:
    """A running stack that a test may kill or damage, if `lab up` or `lab reset` repairs it."""
    if pids(module_lab).keys() != set(SERVERS) and module_lab.run("up").returncode != 0:
        module_lab.run("reset", "--yes")
        up(module_lab)
    return module_lab


# --- Up, down, status, logs ---------------------------------------------------------------------------------


def test_up_says_where_both_servers_accept_clients(session_lab: Lab) -> None:
    done = session_lab.run("up")
    assert done.returncode == 0
    for name, port in ports(session_lab).items():
        assert re.search(rf"{name} +accepts clients at 127\.0\.0\.1:{port}\n", done.stdout)


def test_up_twice_is_one_stack(session_lab: Lab) -> None:
    before = pids(session_lab), ports(session_lab)
    assert up(session_lab) == before[1]
    assert (pids(session_lab), ports(session_lab)) == before


def test_two_ups_at_once_are_one_stack(fresh_lab: Lab) -> None:
    both = [fresh_lab.begin("up", "--json") for _ in range(2)]
    printed = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert printed[0][0] == printed[1][0]
    assert len(fresh_lab.processes()) == len(SERVERS)


def test_up_after_down_keeps_topics_tables_and_ports(crash_lab: Lab) -> None:
    add_record(crash_lab)
    add_row(crash_lab)
    before = ports(crash_lab), record_count(crash_lab), row_count(crash_lab)
    crash_lab.run("down")
    up(crash_lab)
    assert (ports(crash_lab), record_count(crash_lab), row_count(crash_lab)) == before


def test_down_stops_both_servers(crash_lab: Lab) -> None:
    done = crash_lab.run("down")
    assert (done.returncode, done.stdout) == (0, "Stopped: kafka, postgres.\n")
    assert crash_lab.processes() == []


def test_the_smallest_heap_that_may_be_set_is_enough_for_the_broker(crash_lab: Lab) -> None:
    small = crash_lab.with_environment(LAB_KAFKA_HEAP_MB="192")
    assert small.run("down").returncode == 0
    started = small.run("up")
    assert started.returncode == 0, started.stdout + started.stderr


def test_options_that_are_meant_for_every_java_do_not_reach_the_broker(crash_lab: Lab) -> None:
    assert crash_lab.run("down").returncode == 0
    started = crash_lab.with_environment(JAVA_TOOL_OPTIONS="-XX:+UseG1GC", _JAVA_OPTIONS="-Xmx1m").run("up")
    assert started.returncode == 0, started.stdout + started.stderr


def test_an_open_transaction_in_the_way_is_a_sentence(running_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    del running_lab
    monkeypatch.setattr(db_utils, "OWNER_LOCK_SECONDS", 1)
    with db_utils.cursor() as reader:
        reader.execute("SELECT * FROM latest_prices")
        with pytest.raises(LabError, match="Somebody has a transaction open"):
            db_utils.install_schema()
    db_utils.install_schema()


def test_down_with_nothing_running_is_fine(idle_lab: Lab) -> None:
    done = idle_lab.run("down")
    assert (done.returncode, done.stdout) == (0, "Nothing was running.\n")


def test_status_shows_running_servers_and_exits_with_0(session_lab: Lab) -> None:
    done = session_lab.run("status")
    assert done.returncode == 0
    assert done.stdout.count("running") == 2
    for port in ports(session_lab).values():
        assert f"127.0.0.1:{port}" in done.stdout


def test_status_of_a_lab_that_never_ran_names_the_command_and_exits_with_1(idle_lab: Lab) -> None:
    done = idle_lab.run("status")
    assert done.returncode == 1
    assert re.findall(r"(kafka|postgres)\W+stopped", done.stdout) == list(SERVERS)
    assert "lab up" in done.stdout


def test_status_as_json_is_whole_also_when_nothing_runs(idle_lab: Lab) -> None:
    done = idle_lab.run("status", "--json")
    assert done.returncode == 1
    rows = json.loads(done.stdout)["servers"]
    assert [(row["name"], row["running"], row["address"], row["pid"]) for row in rows] == [
        (name, False, None, None) for name in SERVERS
    ]


@pytest.mark.parametrize(("name", "words"), [("kafka", "Kafka Server started"), ("postgres", "ready to accept")])
def test_logs_prints_the_servers_log(crash_lab: Lab, name: str, words: str) -> None:
    done = crash_lab.run("logs", name, "-n", "100000")  # of a young lab: a log of much work has lost its first lines
    assert done.returncode == 0
    assert words in done.stdout


def test_logs_prints_no_more_lines_than_asked_for(session_lab: Lab) -> None:
    assert len(session_lab.run("logs", "kafka", "-n", "3").stdout.splitlines()) == 3


def test_an_unknown_log_is_answered_with_the_known_ones(session_lab: Lab) -> None:
    done = session_lab.run("logs", "nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: There is no log nothing.\nThere is: ")
    assert {"kafka", "postgres"} <= set(re.findall(r"\w+", done.stderr))


# --- Reset --------------------------------------------------------------------------------------------------


def test_reset_without_a_terminal_deletes_nothing(crash_lab: Lab) -> None:
    add_record(crash_lab)
    add_row(crash_lab)
    before = pids(crash_lab), record_count(crash_lab), row_count(crash_lab)
    done = crash_lab.run("reset")
    assert done.returncode == 1
    assert "lab reset --yes" in done.stderr
    assert (pids(crash_lab), record_count(crash_lab), row_count(crash_lab)) == before


def test_reset_empties_topics_tables_and_checkpoints_and_the_stack_is_up_again(crash_lab: Lab) -> None:
    add_record(crash_lab)
    add_row(crash_lab)
    checkpoint = crash_lab.state_dir / "checkpoints" / "ticks" / "metadata"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert crash_lab.run("reset", "--yes").returncode == 0
    assert (record_count(crash_lab), row_count(crash_lab)) == (0, 0)
    assert not checkpoint.exists()


def test_reset_of_a_stopped_lab_leaves_it_stopped(idle_lab: Lab) -> None:
    (idle_lab.state_dir / "kafka" / "data").mkdir(parents=True)
    done = idle_lab.run("reset", "--yes")
    assert done.returncode == 0
    assert "lab up" in done.stdout
    assert not (idle_lab.state_dir / "kafka").exists()


# --- Class archives -----------------------------------------------------------------------------------------


def test_a_broker_takes_its_classes_from_the_archive(crash_lab: Lab) -> None:
    """They were made at set-up, beside the jars."""
    mapped = psutil.Process(pids(crash_lab)["kafka"]).memory_maps()
    assert any(Path(part.path).parent == settings().jars_dir / "classes" for part in mapped)


def test_spark_takes_its_classes_from_the_archive(spark: SparkSession) -> None:
    (jvm,) = [child for child in psutil.Process().children() if "pyspark-shell" in child.cmdline()]
    assert any(Path(part.path).parent == settings().jars_dir / "classes" for part in jvm.memory_maps())


def test_an_archive_that_does_not_fit_is_ignored_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = find_java()
    with monkeypatch.context() as patch:
        patch.setattr(class_archives, "_archive", lambda *_: tmp_path / "some.jsa")
        assert class_archives.java_options("kafka", java) == []
        (tmp_path / "some.jsa").write_bytes(b"no archive")
        options = class_archives.java_options("kafka", java)
    done = subprocess.run([java.executable, *options, "-version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "archive" not in done.stderr


# --- Ports, and other labs ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def squeezed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, dict[str, int]]]:
    """A running lab whose configured ports another program holds, and these ports."""
    with socket.socket() as first, socket.socket() as second:
        for listener in (first, second):
            listener.bind(("127.0.0.1", 0))
            listener.listen()
        busy = {"kafka": first.getsockname()[1], "postgres": second.getsockname()[1]}
        lab = Lab(
            tmp_path_factory.mktemp("squeezed") / "lab",
            {"LAB_KAFKA_PORT": str(busy["kafka"]), "LAB_POSTGRES_PORT": str(busy["postgres"])},
        )
        up(lab)
    yield lab, busy
    lab.clear()


def test_the_next_free_port_is_taken_and_recorded(squeezed: tuple[Lab, dict[str, int]]) -> None:
    lab, busy = squeezed
    recorded = json.loads((lab.state_dir / "state.json").read_text())
    for name, port in ports(lab).items():
        assert busy[name] < port < busy[name] + 100
        assert recorded[name]["port"] == port


def test_every_command_uses_the_port_that_was_taken(squeezed: tuple[Lab, dict[str, int]]) -> None:
    lab, _ = squeezed
    produced = lab.run("produce", "crypto", "--speed", "max", "--json")
    consumed = lab.run("consume", "--once", "--json")
    assert json.loads(consumed.stdout)["records"] == json.loads(produced.stdout)["acknowledged"] > 0


def test_a_running_stack_keeps_its_ports_when_the_wanted_ones_are_free_again(
    squeezed: tuple[Lab, dict[str, int]],
) -> None:
    lab, _ = squeezed
    before = ports(lab)
    assert up(lab) == before


def test_a_port_that_was_changed_while_the_servers_ran_counts_at_their_next_start(crash_lab: Lab) -> None:
    wanted = free_port()
    changed = crash_lab.with_environment(LAB_POSTGRES_PORT=str(wanted))
    before = ports(crash_lab)
    assert up(changed) == before
    crash_lab.run("down")
    assert wanted <= up(changed)["postgres"] < wanted + 100
    crash_lab.run("down")  # the next test wants the usual port again


def test_two_labs_do_not_see_each_others_topics(running_lab: Lab, crash_lab: Lab) -> None:
    name = f"only-here-{secrets.token_hex(4)}"
    with kafka_utils.admin() as client:
        client.create_topics({name: {"num_partitions": 1, "replication_factor": 1}})
        client.wait_for_topics([name])
    assert ports(crash_lab)["kafka"] != ports(running_lab)["kafka"]
    assert name in topic_names(running_lab)
    assert name not in topic_names(crash_lab)


def test_two_labs_started_at_once_with_the_same_ports_are_two_stacks(tmp_path: Path) -> None:
    same = {"LAB_KAFKA_PORT": str(free_port()), "LAB_POSTGRES_PORT": str(free_port())}
    labs = [Lab(tmp_path / name, same) for name in ("one", "two")]
    try:
        starts = [lab.begin("up") for lab in labs]
        printed = [process.communicate(timeout=120) for process in starts]
        assert [process.returncode for process in starts] == [0, 0], printed
        add_record(labs[0])
        add_row(labs[0])
        assert [(record_count(lab), row_count(lab)) for lab in labs] == [(1, 1), (0, 0)]
    finally:
        for lab in labs:
            lab.clear()


@pytest.mark.parametrize("server", [kafka_server, postgres_server], ids=lambda server: server.NAME)
def test_a_port_that_is_taken_at_the_last_moment_is_given_up_for_another(
    fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch, server: ModuleType
) -> None:
    choose_port = processes.choose_port
    with socket.create_server(("127.0.0.1", 0)) as taker, monkeypatch.context() as patch:
        taken = [taker.getsockname()[1]]

        def choose_too_early(name: str, wanted: int, **others: Any) -> int:
            return taken.pop() if taken and name == server.NAME else choose_port(name, wanted, **others)

        for name, value in fresh_lab.settings.items():
            patch.setenv(name, value)
        patch.setattr(processes, "choose_port", choose_too_early)
        started = server.start()
        assert re.fullmatch(r"127\.0\.0\.1:[0-9]+", started) and started != f"127.0.0.1:{taker.getsockname()[1]}"
        assert not taken


def test_commands_of_a_stopped_lab_do_not_talk_to_the_lab_that_took_its_ports(crash_lab: Lab, fresh_lab: Lab) -> None:
    old = ports(crash_lab)
    crash_lab.run("down")
    other = fresh_lab.with_environment(LAB_KAFKA_PORT=str(old["kafka"]), LAB_POSTGRES_PORT=str(old["postgres"]))
    assert up(other) == old
    for command in (("produce", "crypto"), ("consume", "--once"), ("status",)):
        assert crash_lab.run(*command).returncode == 1
    assert record_count(other) == 0
    new = up(crash_lab)
    assert not set(new.values()) & set(old.values())


# --- Crashes ------------------------------------------------------------------------------------------------

WORKING = """
import threading
from lab_utils.servers import kafka_server, postgres_server
print(kafka_server.bootstrap_servers(), postgres_server.port(), flush=True)
threading.Event().wait()
"""


def test_another_lab_does_not_take_the_ports_of_killed_servers_that_somebody_works_with(
    crash_lab: Lab, fresh_lab: Lab
) -> None:
    old = ports(crash_lab)
    with subprocess.Popen([sys.executable, "-c", WORKING], env=crash_lab.environment, stdout=subprocess.PIPE) as works:
        try:
            assert works.stdout is not None and works.stdout.readline()
            kill(*(pids(crash_lab)[name] for name in SERVERS))
            other = fresh_lab.with_environment(LAB_KAFKA_PORT=str(old["kafka"]), LAB_POSTGRES_PORT=str(old["postgres"]))
            assert not set(up(other).values()) & set(old.values())
            assert up(crash_lab) == old
        finally:
            works.kill()


@pytest.mark.parametrize("victims", [("kafka",), ("postgres",), SERVERS], ids="+".join)
def test_up_brings_killed_servers_back_with_their_data_on_the_same_ports(
    crash_lab: Lab, victims: tuple[str, ...]
) -> None:
    """Kafka takes 9 s longer than after `lab down`: its controller waits for the session of the dead broker to end."""
    add_record(crash_lab)
    add_row(crash_lab)
    before = ports(crash_lab), record_count(crash_lab), row_count(crash_lab)
    kill(*(pids(crash_lab)[name] for name in victims))
    assert crash_lab.run("status").returncode == 1
    up(crash_lab)
    assert (ports(crash_lab), record_count(crash_lab), row_count(crash_lab)) == before


def test_up_works_when_a_stale_postmaster_pid_names_a_living_process(crash_lab: Lab) -> None:
    kill(pids(crash_lab)["postgres"])
    lock = crash_lab.state_dir / "postgres" / "data" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    up(crash_lab)


def test_a_recorded_process_id_that_now_belongs_to_somebody_else_is_left_alone(crash_lab: Lab) -> None:
    crash_lab.run("down")  # which leaves the record, as a crash does
    state_file = crash_lab.state_dir / "state.json"
    with bystander() as other:
        records = json.loads(state_file.read_text())
        for name in SERVERS:
            records[name]["pid"] = other.pid
        state_file.write_text(json.dumps(records))
        assert crash_lab.run("status").returncode == 1
        assert crash_lab.run("down").stdout == "Nothing was running.\n"
        up(crash_lab)
        assert other.poll() is None


def test_a_program_that_has_the_servers_files_open_is_not_taken_for_a_server(idle_lab: Lab) -> None:
    names = ("kafka/server.properties", "postgres/data", "kafka/format.properties", "postgres/data.new")
    with bystander(*(str(idle_lab.state_dir / name) for name in names)) as editor:
        assert idle_lab.run("status").returncode == 1
        assert idle_lab.run("down").stdout == "Nothing was running.\n"
        assert editor.poll() is None


DAMAGES = {
    "deleted": None,
    "half written": '{"kafka": {"pid": 12',
    "a list": "[]",
    "not the fields": '{"kafka": 1, "postgres": {"port": 5432}}',
    "not numbers": json.dumps({name: {"pid": "x", "port": None, "wanted_port": 1.5} for name in SERVERS}),
    "impossible numbers": json.dumps({name: {"pid": -1, "port": 0, "wanted_port": 0} for name in SERVERS}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_status_and_up_find_running_servers_whatever_became_of_the_state_file(crash_lab: Lab, damage: str) -> None:
    before = pids(crash_lab), ports(crash_lab)
    text = DAMAGES[damage]
    state_file = crash_lab.state_dir / "state.json"
    state_file.unlink() if text is None else state_file.write_text(text)
    shown = servers(crash_lab)
    assert {name: row["pid"] for name, row in shown.items()} == before[0]
    assert {name: row["address"] for name, row in shown.items()} == {
        name: f"127.0.0.1:{port}" for name, port in before[1].items()
    }
    up(crash_lab)
    assert (pids(crash_lab), ports(crash_lab)) == before


def test_a_command_finds_the_servers_without_a_state_file(crash_lab: Lab) -> None:
    (crash_lab.state_dir / "state.json").unlink()
    done = crash_lab.run("consume", "--once")
    assert done.returncode == 0, done.stderr


def moments(lab: Lab) -> list[Callable[[], bool]]:
    """What can be seen of a first `lab up` on its way."""
    folder = lab.state_dir
    return [
        (folder / "postgres" / "data.new").exists,
        lambda: (folder / "kafka" / "data.new").exists() or (folder / "kafka" / "data").exists(),
        lambda: any("kafka.Kafka" in arguments for arguments in lab.command_lines().values()),
    ]


def test_a_first_up_that_is_killed_again_and_again_is_repaired_by_the_next(fresh_lab: Lab) -> None:
    for moment in moments(fresh_lab):
        started = fresh_lab.begin("up")
        wait_until(lambda moment=moment: moment() or started.poll() is not None, 60, "up to be on its way")  # type: ignore[misc]  # noqa: B023
        started.kill()
        started.communicate()
    for name in SERVERS:  # what an older start may have left as well
        (fresh_lab.state_dir / name / "data.new" / "half made").mkdir(parents=True, exist_ok=True)
    up(fresh_lab)
    assert row_count(fresh_lab) == record_count(fresh_lab) == 0


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
def test_an_up_that_is_killed_after_some_time_loses_nothing(crash_lab: Lab, seconds: float) -> None:
    add_record(crash_lab)
    add_row(crash_lab)
    before = record_count(crash_lab), row_count(crash_lab)
    crash_lab.run("down")
    started = crash_lab.begin("up")
    try:
        started.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        started.kill()
        started.communicate()
    up(crash_lab)
    assert (record_count(crash_lab), row_count(crash_lab)) == before


def test_ctrl_c_during_up_ends_it_without_a_traceback_and_the_next_up_works(fresh_lab: Lab) -> None:
    for moment in moments(fresh_lab):
        started = fresh_lab.begin("up")
        wait_until(lambda: is_loading(started), 60, "lab to load", every=0.01)  # noqa: B023
        wait_until(lambda moment=moment: moment() or started.poll() is not None, 60, "up to be on its way")  # type: ignore[misc]  # noqa: B023
        os.killpg(started.pid, signal.SIGINT)
        printed, complaints = started.communicate(timeout=120)
        assert started.returncode in {130, -signal.SIGINT}, printed + complaints  # the second: while it was loading
        assert "Traceback" not in complaints
    up(fresh_lab)


def test_a_postgres_folder_that_is_not_whole_is_named_and_reset_repairs_it(crash_lab: Lab) -> None:
    crash_lab.run("down")
    (crash_lab.state_dir / "postgres" / "data" / "PG_VERSION").unlink()
    done = crash_lab.run("up")
    assert done.returncode == 1
    assert re.fullmatch(r"Error: PostgreSQL's data folder .* is not whole\.\n.*: lab reset\n", done.stderr)
    assert crash_lab.run("reset", "--yes").returncode == 0
    up(crash_lab)
    assert (record_count(crash_lab), row_count(crash_lab)) == (0, 0)


def test_a_kafka_folder_that_is_not_whole_is_named_with_the_repair(crash_lab: Lab) -> None:
    crash_lab.run("down")
    file = crash_lab.state_dir / "kafka" / "data" / "meta.properties"
    kept = file.read_bytes()
    file.unlink()
    done = crash_lab.run("up")
    file.write_bytes(kept)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: Kafka's data folder .* is not whole .*\.\n.*: lab reset\n", done.stderr)


def test_deleted_passwords_are_named_with_the_repair(crash_lab: Lab) -> None:
    file = crash_lab.state_dir / "secrets.json"
    kept = file.read_bytes()
    file.unlink()
    done = crash_lab.run("up")
    file.write_bytes(kept)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: The database passwords .* gone or damaged\.\n.*: lab reset\n", done.stderr)


# --- Who may do what ----------------------------------------------------------------------------------------


def test_the_servers_listen_on_loopback_only(session_lab: Lab) -> None:
    listening = [
        ipaddress.ip_address(connection.laddr.ip.removeprefix("::ffff:"))
        for pid in pids(session_lab).values()
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3  # clients and controller of Kafka, clients of PostgreSQL
    assert {str(address) for address in listening} == {"127.0.0.1"}


def test_no_password_is_in_a_log_a_command_line_or_an_output(session_lab: Lab) -> None:
    passwords = json.loads((session_lab.state_dir / "secrets.json").read_text()).values()
    assert len(set(passwords)) == 4
    seen = [path.read_text(errors="replace") for path in (session_lab.state_dir / "logs").iterdir()]
    assert len(seen) >= 2
    for process in session_lab.processes():
        with suppress(psutil.Error):  # it ended meanwhile
            seen += [" ".join(member.cmdline()) for member in (process, *process.children(recursive=True))]
    for command in ("up", "status", "doctor", "consume --once"):
        done = session_lab.run("--verbose", *command.split())
        seen += [done.stdout, done.stderr]
    assert not [password for password in passwords if any(password in text for text in seen)]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("name", ["secrets.json", "state.json"])
def test_only_the_owner_can_read(session_lab: Lab, name: str) -> None:
    assert (session_lab.state_dir / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("role", [*ROLES, "postgres"])
def test_postgres_refuses_a_wrong_password(session_lab: Lab, role: str) -> None:
    with (
        pytest.raises(psycopg2.OperationalError, match="authentication failed"),
        database(session_lab, role, password="wrong"),
    ):
        pass


@pytest.mark.parametrize("role", [*ROLES, "postgres"])
def test_postgres_refuses_a_login_without_password(session_lab: Lab, role: str) -> None:
    with (
        pytest.raises(psycopg2.OperationalError, match="no password supplied"),
        database(session_lab, role, password=""),
    ):
        pass


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        *(
            ("lab_reader", statement)
            for statement in (
                "INSERT INTO stream_topics VALUES ('x', gen_random_uuid())",
                "UPDATE candle_watermark SET late_ticks = 1",
                "DELETE FROM crypto_data",
                "TRUNCATE crypto_data",
                "CREATE TABLE mine (a int)",
                "CREATE TEMPORARY TABLE mine (a int)",
                "CREATE SCHEMA mine",
            )
        ),
        *(
            ("lab_writer", statement)
            for statement in (
                "UPDATE crypto_data SET price = 1",
                "DELETE FROM crypto_data",
                "TRUNCATE crypto_data",
                "DROP TABLE crypto_data",
                "CREATE TABLE mine (a int)",
                "CREATE SCHEMA mine",
            )
        ),
    ],
)
def test_a_role_is_refused_what_it_is_not_for(session_lab: Lab, role: str, statement: str) -> None:
    with database(session_lab, role) as cursor:
        # Anybody may switch this default off: the missing right must refuse.
        cursor.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)


def test_a_reader_that_says_nothing_about_its_session_gets_limits_that_survive_a_reset(session_lab: Lab) -> None:
    with database(session_lab, "lab_reader") as cursor:
        cursor.execute("SET statement_timeout = 0; SET timezone = 'Asia/Tokyo'")
        cursor.execute("DISCARD ALL")  # as Power BI's driver sends it
        cursor.execute(
            "SELECT name, setting FROM pg_settings"
            " WHERE name IN ('default_transaction_read_only', 'statement_timeout', 'TimeZone')"
        )
        limits = {"default_transaction_read_only": "on", "statement_timeout": "5000", "TimeZone": "UTC"}
        assert dict(cursor.fetchall()) == limits
        cursor.execute("SELECT rolconnlimit, rolinherit FROM pg_roles WHERE rolname = 'lab_reader'")
        assert cursor.fetchone() == (20, False)


def test_what_the_lab_itself_counts_has_no_time_limit(session_lab: Lab) -> None:
    assert session_lab.python(SHOW_STATEMENT_LIMITS).split() == ["0", "5s"]


@pytest.mark.parametrize("role", ["lab_writer", "lab_reader"])
def test_a_role_can_read_every_table_and_view(session_lab: Lab, role: str) -> None:
    with database(session_lab, role) as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
        )
        relations = [name for (name,) in cursor.fetchall()]
        assert {"crypto_data", "dead_letters", "latest_prices"} <= set(relations)
        for name in relations:
            cursor.execute(f"SELECT * FROM {name}")


def test_a_session_is_in_utc_wherever_the_client_lives(session_lab: Lab) -> None:
    with database(session_lab, "lab_reader") as cursor:
        cursor.execute("SHOW timezone")
        assert cursor.fetchone() == ("UTC",)


SHOW_STATEMENT_LIMITS = """
from lab_utils import db_utils
with db_utils.cursor() as cursor:
    cursor.execute("SHOW statement_timeout")
    print(cursor.fetchone()[0])
with db_utils.engine().connect() as connection:
    print(connection.exec_driver_sql("SHOW statement_timeout").scalar())
"""

SHOW_TIME_ZONES = """
from lab_utils import db_utils
with db_utils.cursor() as cursor:
    cursor.execute("SHOW timezone")
    print(cursor.fetchone()[0])
with db_utils.engine().connect() as connection:
    print(connection.exec_driver_sql("SHOW timezone").scalar())
"""


def test_the_labs_own_sessions_ignore_what_the_user_has_set_for_other_servers(session_lab: Lab) -> None:
    others = {
        **{"TZ": "Asia/Tokyo", "PGTZ": "Asia/Tokyo", "PGSSLMODE": "require", "PGHOSTADDR": "127.0.0.9"},
        "PGOPTIONS": "-c timezone=Asia/Tokyo -c default_transaction_read_only=on",
    }
    lab = session_lab.with_environment(**others)
    assert lab.python(SHOW_TIME_ZONES).split() == ["UTC", "UTC"]
    assert lab.run("up").returncode == 0


def test_each_topic_has_4_partitions_and_the_brokers_time(session_lab: Lab) -> None:
    with kafka_utils.admin() as client:
        described = client.describe_topics(list(kafka_utils.TOPICS))
        assert {topic["name"]: len(topic["partitions"]) for topic in described} == dict.fromkeys(
            ("crypto_topic", "stock_topic", "crypto_topic.dlq", "stock_topic.dlq"), 4
        )
        wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in kafka_utils.TOPICS]
        assert str(client.describe_configs(wanted)).count("LogAppendTime") >= len(kafka_utils.TOPICS)


# --- Producers and signals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["ctrl-c", "terminate"])
def test_what_a_stopped_producer_reports_is_in_the_topic(running_lab: Lab, number: signal.Signals, code: int) -> None:
    producing = running_lab.begin("produce", "crypto", "--speed", "1", "--json")
    wait_until(lambda: record_count(running_lab) > 0, 60, "the first record")
    os.killpg(producing.pid, number)
    printed, complaints = producing.communicate(timeout=60)
    assert producing.returncode == code, printed + complaints
    assert "Traceback" not in complaints
    counts = json.loads(printed)
    assert counts["undelivered"] == 0
    assert counts["acknowledged"] == record_count(running_lab, "crypto_topic", "crypto_topic.dlq") > 0


# --- Other users, other machines ----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Visitor:
    """What an ordinary user did with the lab: the commands' results, in order."""

    home: Path
    user: int
    results: Mapping[str, "subprocess.CompletedProcess[str]"]
    server_users: frozenset[int]
    first_up_seconds: float


def commands_as(user: int) -> Iterator[list[str]]:
    """Ways to run Python as a user to whom this test's Python may be out of reach, below /root."""
    yield [sys.executable]
    if found := shutil.which(f"python3.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin"):
        yield [found]
    right = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    yield ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *right, "--", sys.executable]


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """`up`, `up`, `produce`, `consume` and `down` by a plain user with a new, empty home."""
    is_root = os.geteuid() == 0
    user = NOBODY if is_root else os.geteuid()
    folder = tmp_path_factory.mktemp("visitor")
    home, jars = folder / "home", folder / "jars"
    home.mkdir()
    shutil.copytree(settings().jars_dir, jars, ignore=shutil.ignore_patterns("*.lock"))
    packages = [path for path in sys.path if path.endswith("site-packages")]
    extra = {
        "HOME": str(home),
        "TMPDIR": str(folder),
        "LAB_JARS_DIR": str(jars),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *packages]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    lab = Lab(folder / "lab", extra)
    if is_root:
        for path in (folder, home):
            os.chown(path, user, user)
        for parent in folder.parents[: folder.parents.index(Path(tempfile.gettempdir()))]:  # pytest's, closed to others
            parent.chmod(parent.stat().st_mode | 0o011)

    def run(command: list[str], *arguments: str) -> "subprocess.CompletedProcess[str]":
        as_user: dict[str, Any] = {}
        if is_root and command[0] != "setpriv":
            as_user = {"user": user, "group": user, "extra_groups": []}
        return subprocess.run(
            [*command, *arguments],
            env=lab.environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **as_user,
        )

    def can_import(command: list[str]) -> bool:
        try:
            return run(command, "-c", "import lab_utils.stack").returncode == 0
        except OSError:
            return False

    python = next(command for command in commands_as(user) if can_import(command))
    results = {}
    server_users: frozenset[int] = frozenset()
    began, first_up_seconds = time.monotonic(), 0.0
    for command in ("up", "up --json", "produce crypto --speed max", "consume --once", "down"):
        results[command] = run(python, "-m", "lab_utils.cli", *command.split())
        if command == "up":
            first_up_seconds = time.monotonic() - began
            server_users = frozenset(process.uids().real for process in lab.processes())
    yield Visitor(home, user, results, server_users, first_up_seconds)
    lab.clear()


def test_the_lab_works_for_a_plain_user(visitor: Visitor) -> None:
    for command, done in visitor.results.items():
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert visitor.server_users == {visitor.user}


def test_the_home_folder_stays_empty(visitor: Visitor) -> None:
    assert [done.returncode for done in visitor.results.values()] == [0] * 5
    assert list(visitor.home.rglob("*")) == []


def test_a_first_up_takes_seconds(visitor: Visitor) -> None:
    """About 5 s where nothing else runs; the limit is for a busy machine."""
    assert visitor.first_up_seconds < 60


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root needs another user for PostgreSQL")
def test_root_without_user_namespaces_runs_postgres_as_nobody(fresh_lab: Lab, tmp_path: Path) -> None:
    refusing = tmp_path / "bin" / "unshare"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    lab = fresh_lab.with_environment(PATH=f"{refusing.parent}{os.pathsep}{os.environ['PATH']}")
    up(lab)
    assert psutil.Process(pids(lab)["postgres"]).uids().effective == NOBODY
    add_row(lab)
    lab.run("down")
    up(fresh_lab)  # the same data where namespaces are allowed
    assert row_count(fresh_lab) == 1


# --- Doctor -------------------------------------------------------------------------------------------------


def doctor(lab: Lab) -> tuple[int, dict[str, dict[str, Any]]]:
    done = lab.run("doctor", "--json")
    return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}


def test_doctor_finds_a_good_machine_good(session_lab: Lab) -> None:
    code, found = doctor(session_lab)
    # How much memory other programs leave is no property of the lab.
    assert [name for name, finding in found.items() if not finding["ok"] and name != "memory"] == []
    assert {"Python", "Java", "pyspark", "Kafka connector", "jars", "permissions", "disk"} <= set(found)
    assert code == (0 if found["memory"]["ok"] else 1)


def test_doctor_says_who_holds_a_port(session_lab: Lab) -> None:
    found = doctor(session_lab)[1]
    for name, port in ports(session_lab).items():
        assert found[f"port of {name}"]["detail"].startswith(f"{port}, held by this lab")


def test_doctor_prints_a_table_for_people(session_lab: Lab) -> None:
    done = session_lab.run("doctor")
    assert "Java" in done.stdout
    assert "OK" in done.stdout


def test_doctor_removes_a_damaged_jar_and_then_says_that_it_is_missing(session_lab: Lab, tmp_path: Path) -> None:
    for jar in settings().jars_dir.glob("*/*.jar"):
        link = tmp_path / "jars" / jar.parent.name / jar.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(jar)
    damaged = next((tmp_path / "jars").glob("spark/postgresql-*.jar"))
    damaged.unlink()
    damaged.write_bytes(b"half a jar")
    lab = session_lab.with_environment(LAB_JARS_DIR=str(tmp_path / "jars"))

    code, found = doctor(lab)
    assert (code, found["jars"]["ok"]) == (1, False)
    assert damaged.name in found["jars"]["detail"]
    assert not damaged.exists()

    code, found = doctor(lab)
    assert (code, found["jars"]["ok"]) == (1, False)
    assert "lab up" in found["jars"]["fix"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_doctor_sees_that_others_can_read_the_passwords(idle_lab: Lab) -> None:
    idle_lab.state_dir.mkdir()
    file = idle_lab.state_dir / "secrets.json"
    file.touch()
    file.chmod(0o644)
    code, found = doctor(idle_lab)
    assert code == 1
    assert found["permissions"]["fix"] == f"Run: chmod 600 {file}"
