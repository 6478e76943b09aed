"""The same pipeline on one broker, on Kafka with ZooKeeper, and on a cluster of which parts are killed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from lab_utils import kafka_utils, stack
from lab_utils.scratch import own_stack
from lab_utils.servers import kafka_server, processes, profiles, spark_server, zookeeper_server
from lab_utils.servers.profiles import Profile
from lab_utils.settings import environment, settings
from lab_utils.teaching import another_lab
from lab_utils.teaching.probes import Broker
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers.records import awkward_messages, contents, expected, sample_messages, send

pytestmark = pytest.mark.timeout(900)

STREAM_SECONDS = 240
"""How long Spark may take on a machine that is busy: a cluster starts three JVMs for it."""


@pytest.fixture
def lab(fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab without servers, which this process uses too."""
    for name, value in fresh_lab.settings.items():
        monkeypatch.setenv(name, value)
    yield fresh_lab
    fresh_lab.clear()


def up(lab: Lab, profile: Profile) -> None:
    done = lab.run("up", "--profile", profile)
    assert done.returncode == 0, done.stderr


def states() -> dict[str, bool]:
    return {server.name: server.running for server in stack.status()}


@pytest.mark.parametrize("profile", list(Profile))
def test_each_record_is_stored_once_and_no_server_is_left(lab: Lab, profile: Profile) -> None:
    up(lab, profile)
    assert all(states().values()) and profiles.active() is profile
    messages = [*sample_messages(100), *awkward_messages()]
    wanted = expected(send(messages))
    done = lab.run("stream", "--once", timeout=STREAM_SECONDS)
    assert done.returncode == 0, done.stderr
    assert contents() == wanted
    assert lab.run("down").returncode == 0
    assert lab.processes() == []
    assert lab.run("up").returncode == 0
    assert all(states().values()) and contents() == wanted, "the profile and the data outlive a restart"


def test_a_cluster_goes_on_without_one_broker_and_one_worker_and_loses_nothing(lab: Lab) -> None:
    up(lab, Profile.cluster)
    stream = lab.begin("stream")
    try:
        sent = send(sample_messages(200))
        await_rows(len(sent))
        broker, worker = kafka_server.brokers()[1].process(), spark_server.daemons()[1].process()
        assert broker is not None and worker is not None
        executors = worker.children(recursive=True)
        assert executors, "no task ran on that worker"
        for killed in (broker, worker, *executors):
            killed.kill()
        sent |= send(sample_messages(200, skip=200))
        await_rows(len(sent))
        assert states() == {name: name not in {"kafka-2", "spark-worker-1"} for name in states()}
        assert lab.run("up").returncode == 0
        assert all(states().values())
        sent |= send(sample_messages(100, skip=400))
        await_rows(len(sent))
    finally:
        stream.terminate()
        stream.communicate(timeout=60)
    assert stream.returncode in {0, 130}
    assert lab.run("stream", "--once", timeout=STREAM_SECONDS).returncode == 0
    assert contents() == expected(sent)


def await_rows(count: int) -> None:
    wait_until(lambda: contents().row_count >= count, STREAM_SECONDS, f"{count} rows", every=0.5)


def test_the_topics_of_a_cluster_lie_on_all_brokers_and_take_no_write_that_one_alone_has(lab: Lab) -> None:
    up(lab, Profile.cluster)
    with kafka_utils.admin() as admin:
        described = admin.describe_topics(list(kafka_utils.TOPICS))
    copies = {
        (topic["name"], part["partition_index"]): (sorted(part["replica_nodes"]), sorted(part["isr_nodes"]))
        for topic in described
        for part in topic["partitions"]
    }
    assert len(copies) == len(kafka_utils.TOPICS) * kafka_utils.PARTITIONS
    assert set(map(str, copies.values())) == {"([1, 2, 3], [1, 2, 3])"}
    assert {Broker().setting(topic, "min.insync.replicas") for topic in kafka_utils.TOPICS} == {"2"}


def test_a_lab_keeps_its_profile_until_its_data_is_gone(lab: Lab) -> None:
    up(lab, Profile.zookeeper)
    other = lab.run("up", "--profile", "cluster")
    assert other.returncode == 1
    assert "belong to the profile zookeeper" in other.stderr
    assert "lab down, lab reset, lab up --profile cluster" in other.stderr
    assert lab.run("reset", "--yes").returncode == 0
    assert states() == {"zookeeper": True, "kafka": True, "postgres": True}, "a lab that was up is up again"
    assert lab.run("down").returncode == 0
    assert lab.run("reset", "--yes").returncode == 0
    profiles.choose(Profile.embedded)
    assert list(states()) == ["kafka", "postgres"]


@pytest.fixture
def two_labs(tmp_path: Path) -> Iterator[tuple[Lab, Lab]]:
    """Two labs without servers, which want the same ports."""
    one, other = Lab(tmp_path / "one"), Lab(tmp_path / "other")
    yield one, other
    for lab in (one, other):
        lab.clear()


def at_the_same_time(monkeypatch: pytest.MonkeyPatch, server: str, port: int) -> None:
    """Let the next lab choose for `server` a port that another lab has just taken, as it would a moment earlier."""
    choose = processes.choose_port
    chosen: list[int] = []

    def choose_it_once(name: str, wanted: int, *, taken: Sequence[int] = ()) -> int:
        if name == server and not chosen:
            chosen.append(port)
            return port
        return choose(name, wanted, taken=taken)

    monkeypatch.setattr(processes, "choose_port", choose_it_once)


def test_a_cluster_takes_no_broker_of_another_lab_for_its_own(
    two_labs: tuple[Lab, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two_labs
    with environment(**one.settings):
        theirs = int(kafka_server.start().rsplit(":", 1)[1])
    with environment(**other.settings):
        profiles.choose(Profile.cluster)
        at_the_same_time(monkeypatch, "kafka-2", theirs)
        kafka_server.start()
        assert theirs not in {broker.port() for broker in kafka_server.brokers()}
        assert kafka_server.answering() == kafka_server.CLUSTER_SIZE


def test_a_lab_takes_no_zookeeper_of_another_one_for_its_own(
    two_labs: tuple[Lab, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two_labs
    with environment(**one.settings):
        profiles.choose(Profile.zookeeper)
        theirs = zookeeper_server.start()
    with environment(**other.settings):
        profiles.choose(Profile.zookeeper)
        at_the_same_time(monkeypatch, "zookeeper", int(theirs.rsplit(":", 1)[1]))
        assert zookeeper_server.start() != theirs
        assert zookeeper_server.answers()


def test_workers_do_not_go_to_the_master_of_another_lab(
    two_labs: tuple[Lab, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two_labs
    with environment(**one.settings), monkeypatch.context() as patch:
        patch.setattr(spark_server, "WORKERS", 0)
        profiles.choose(Profile.cluster)
        theirs = spark_server.ensure()
    with environment(**other.settings):
        profiles.choose(Profile.cluster)
        at_the_same_time(monkeypatch, spark_server.MASTER.name, int(theirs.rsplit(":", 1)[1]))
        assert spark_server.ensure() != theirs
    with environment(**one.settings):
        assert spark_server._alive_workers() == 0


def test_the_cluster_is_not_set_up_by_what_is_meant_for_another_spark(
    two_labs: tuple[Lab, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, _ = two_labs
    port = processes.choose_port("another-worker", 20_000)
    with environment(**lab.settings, SPARK_WORKER_PORT=str(port)):
        profiles.choose(Profile.cluster)
        spark_server.ensure()
        assert spark_server._alive_workers() == spark_server.WORKERS
        assert processes.is_free(port)


def test_a_stream_that_is_started_with_the_servers_waits_for_the_master(lab: Lab) -> None:
    profiles.choose(Profile.cluster)
    stream = lab.begin("stream", "--await-servers", "120")
    try:
        wait_until(lambda: processes.read_record(processes.STREAM), 60, "the stream to have begun")
        spark_server.ensure()
        driver = psutil.Process(stream.pid)
        wait_until(
            lambda: (
                stream.poll() is not None or any("java" in child.name() for child in driver.children(recursive=True))
            ),
            60,
            "its JVM",
        )
    finally:
        stream.terminate()
        _, complaints = stream.communicate(timeout=60)
    assert stream.returncode == 0, complaints


def test_servers_of_another_profile_are_found_and_stopped(lab: Lab) -> None:
    up(lab, Profile.zookeeper)
    zookeeper = zookeeper_server.process()
    (settings().state_dir / "profile").write_text("embedded")
    doctor = lab.run("doctor", "--json")
    assert zookeeper is not None and f"(process {zookeeper.pid})" in doctor.stdout and "lab down" in doctor.stdout
    stopped = lab.run("down")
    assert f"process {zookeeper.pid} of another profile" in stopped.stdout
    assert lab.processes() == []


def test_the_servers_of_a_benchmark_that_runs_are_left_to_it(lab: Lab) -> None:
    with own_stack("bench"):
        assert lab.run("down").stdout == "Nothing was running.\n"
        assert kafka_server.answering() == 1


def test_a_second_lab_that_a_lesson_has_left_is_found_and_stopped(lab: Lab) -> None:
    with another_lab(settings().state_dir / "unit12a" / "second"):
        stack.up()
        left = [part.process.pid for part in stack.parts() if part.process is not None]
    assert len(left) == 2
    doctor = lab.run("doctor", "--json")
    assert all(str(pid) in doctor.stdout for pid in left) and "or of a lesson" in doctor.stdout
    assert lab.run("down").returncode == 0
    assert lab.processes() == []
