"""A lab has the servers of one profile, and their configurations fit each other."""

import re
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.servers import kafka_server, profiles, spark_server
from lab_utils.servers.jars import locked_jars, wanted_jars
from lab_utils.servers.profiles import Profile


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    return tmp_path


def test_a_lab_is_embedded_until_another_profile_is_chosen() -> None:
    assert profiles.active() is Profile.embedded
    for profile in (Profile.cluster, Profile.embedded):
        profiles.choose(profile)
        assert profiles.active() is profile


@pytest.mark.parametrize(("before", "folder"), [("embedded", "kafka"), ("cluster", "kafka-1")])
def test_a_lab_with_data_keeps_its_profile(state_dir: Path, before: str, folder: str) -> None:
    profiles.choose(Profile(before))
    (state_dir / folder).mkdir()
    profiles.choose(Profile(before))
    with pytest.raises(LabError, match=f"belong to the profile {before}") as refused:
        profiles.choose(Profile.zookeeper)
    assert "lab reset" in refused.value.repair
    assert profiles.active() is Profile(before)


def test_a_file_that_names_no_profile_is_a_sentence(state_dir: Path) -> None:
    (state_dir / "profile").write_text("swarm")
    with pytest.raises(LabError, match="names no profile") as refused:
        profiles.active()
    assert "embedded, zookeeper, cluster" in refused.value.repair


def test_the_brokers_of_a_cluster_agree_on_who_votes_and_keep_their_own_topics_three_times() -> None:
    profiles.choose(Profile.cluster)
    brokers = kafka_server.brokers()
    voters = {broker.number: 9200 + broker.number for broker in brokers}
    texts = {
        broker.number: kafka_server.server_properties(broker, 9100 + broker.number, voters, Path("data"))
        for broker in brokers
    }
    assert len(set(re.findall(r"^controller\.quorum\.voters=(.*)$", "\n".join(texts.values()), re.MULTILINE))) == 1
    for number, text in texts.items():
        assert f"node.id={number}\n" in text
        assert f"CONTROLLER://127.0.0.1:{voters[number]}\n" in text
        assert f"advertised.listeners=PLAINTEXT://127.0.0.1:{9100 + number}\n" in text
        assert set(re.findall(r"factor=(\d)", text)) == {"3"}
    assert kafka_server.replicas() == 3


def test_a_broker_with_zookeeper_has_no_word_of_kraft() -> None:
    text = kafka_server.zookeeper_properties(9092, "127.0.0.1:2181", Path("data"))
    assert "zookeeper.connect=127.0.0.1:2181\n" in text
    assert not re.search("process.roles|node.id|controller", text)


def test_every_listener_is_on_loopback() -> None:
    alone = kafka_server.server_properties(kafka_server.Broker("kafka", 1), 9092, {1: 9093}, Path("data"))
    for text in (alone, kafka_server.zookeeper_properties(9092, "127.0.0.1:2181", Path("data"))):
        addresses = re.findall(r"//([^:,\s]+):", text)
        assert addresses and set(addresses) == {"127.0.0.1"}


def test_the_jars_of_kafka_with_zookeeper_are_wanted_by_that_profile_alone() -> None:
    sets = {jar.set_name for jar in wanted_jars()}
    assert sets == {"kafka", "spark"}
    profiles.choose(Profile.zookeeper)
    assert {jar.set_name for jar in wanted_jars()} == {jar.set_name for jar in locked_jars()} > sets
    assert any(jar.coordinate.startswith("org.apache.zookeeper:zookeeper:") for jar in wanted_jars())


def test_without_a_cluster_a_session_gets_no_other_settings() -> None:
    assert spark_server.session_settings() == {}


def test_with_a_cluster_that_is_down_a_session_is_a_sentence() -> None:
    profiles.choose(Profile.cluster)
    with pytest.raises(LabError, match="The Spark master is not running") as refused:
        spark_server.session_settings()
    assert "lab up" in refused.value.repair
