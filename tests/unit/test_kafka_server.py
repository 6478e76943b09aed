"""What is said of a broker that did not start."""

from pathlib import Path

import pytest

from lab_utils.servers import kafka_server, processes

BEFORE = "level=ERROR the broker of yesterday: Address already in use\n"
BOUND = (
    "level=ERROR Socket server failed to bind to 127.0.0.1:9092: Address already in use. org.apache.kafka.common."
    "KafkaException: Socket server failed to bind\n"
)
STUMBLED = 'level=ERROR java.lang.NullPointerException: Cannot invoke "DataPlaneRequestProcessor.close()"\n'


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kafka_server.Broker:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    (found,) = kafka_server.brokers()
    found.log_file.parent.mkdir()
    found.log_file.write_text(BEFORE)
    return found


def reason(broker: kafka_server.Broker, log: str) -> str:
    seen_before = {broker: broker.log_file.stat().st_size}
    with broker.log_file.open("a") as file:
        file.write(log)
    return kafka_server._failure_reason(broker, seen_before)


def test_a_port_that_is_taken_is_the_reason_whatever_the_broker_stumbled_over_then(broker: kafka_server.Broker) -> None:
    assert processes.TAKEN.search(reason(broker, BOUND + STUMBLED))


def test_otherwise_the_last_error_is(broker: kafka_server.Broker) -> None:
    assert reason(broker, "level=ERROR the first one\n" + STUMBLED) == STUMBLED.strip()


def test_a_broker_that_said_nothing_is_told_so(broker: kafka_server.Broker) -> None:
    assert reason(broker, "") == "it ended without a word"
