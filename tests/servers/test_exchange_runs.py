"""The pipeline fed by the local exchange: with faults, with Kafka killed in the middle, and with keys that do not fit."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from kafka.errors import KafkaError

from lab_utils import kafka_utils
from lab_utils.feeds.exchange import place
from lab_utils.feeds.exchange.market import read_entries
from lab_utils.feeds.file_feed import Rejected
from lab_utils.producers import delivery
from lab_utils.servers import kafka_server
from lab_utils.ticks import CRYPTO, STOCKS, Tick
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers.exchanges import OpenExchange, open_exchange, open_feed
from tests.servers.records import SAMPLES
from tests.servers.test_produce import records

FAULTS = ("--fault", "429:0.1", "--fault", "timeout:0.05", "--fault", "reset:0.05")
AWAY_SECONDS = 20
QUICK = {"LAB_POLL_SECONDS": "0.5", "LAB_HTTP_SECONDS": "4"}
WRONG = "a-wrong-key-that-nobody-may-see"


def log_of(lab: Lab, name: str) -> str:
    return (lab.state_dir / "logs" / f"{name}.log").read_text()


def assert_secret(lab: Lab, *texts: str, key: str) -> None:
    """The key is in none of these texts, in no log, and on no command line."""
    for path in (lab.state_dir / "logs").glob("*"):
        assert key not in path.read_text(errors="replace"), path
    assert not [text for text in texts if key in text]
    assert not [process for process, arguments in lab.command_lines().items() if key in " ".join(arguments)]


@pytest.fixture
def exchange_of(fresh_lab: Lab) -> Iterator[Any]:
    """Starts `lab exchange` of a lab; the address."""
    begun = []

    def begin(lab: Lab, *arguments: str) -> str:
        process = lab.begin("exchange", *arguments)
        begun.append(process)
        state = lab.state_dir / "state.json"

        def address() -> str | None:
            try:
                entry = json.loads(state.read_text())["exchange"]
            except (OSError, ValueError, KeyError):
                return None
            return f"http://127.0.0.1:{entry['port']}" if entry["pid"] == process.pid else None

        found = wait_until(lambda: process.poll() is not None or address(), 60, "the exchange")
        assert process.poll() is None, process.communicate()
        return str(found)

    yield begin
    for process in begun:
        process.terminate()
        process.communicate(timeout=30)


def test_with_faults_each_tick_that_was_served_is_stored_once(fresh_lab: Lab) -> None:
    lab = fresh_lab.with_environment(**QUICK)
    done = lab.run("start", "--for", "20", *FAULTS, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout)
    assert summary["served"] == summary["produced"] == summary["acknowledged"] == summary["stored"] > 30
    assert (summary["dead_letters"], summary["duplicates"], summary["undelivered"]) == (0, 0, 0)
    for name in ("producer_crypto", "producer_stocks"):
        assert "rate limit" in log_of(lab, name)
        assert "Traceback" not in log_of(lab, name)
    assert_secret(lab, done.stdout, done.stderr, key=(lab.state_dir / "exchange.key").read_text())
    assert lab.processes() == []


def stored_ticks(lab: Lab) -> list[tuple[str, int]]:
    """Symbol and second of each row, in the order of Kafka."""
    code = (
        "import json, lab_utils.db_utils as d\n"
        "with d.cursor() as c:\n"
        " c.execute('SELECT symbol, extract(epoch FROM event_time)::bigint FROM '\n"
        "           '(SELECT * FROM ticks ORDER BY kafka_partition, kafka_offset) AS t')\n"
        " print(json.dumps(c.fetchall()))"
    )
    return [(symbol, second) for symbol, second in json.loads(lab.python(code))]


def test_with_kafka_killed_for_some_time_each_tick_that_was_served_is_stored_once_and_in_order(
    fresh_lab: Lab, exchange_of: Any
) -> None:
    lab = fresh_lab.with_environment(**QUICK)
    assert lab.run("up").returncode == 0
    address = exchange_of(lab, *FAULTS)
    start = lab.begin("start", "--for", "600", "--json")
    try:
        served = f"{address}/control/served"
        wait_until(lambda: start.poll() is not None or stored_ticks(lab), 180, "the first rows", every=1)
        assert start.poll() is None, start.communicate()
        broker = next(process for process, arguments in lab.command_lines().items() if "kafka.Kafka" in arguments)
        broker.kill()
        time.sleep(AWAY_SECONDS)  # this is what is tested
        names = ("producer_crypto", "producer_stocks")
        for name in names:
            assert log_of(lab, name).count("event=broker_away") == 1, name
        assert lab.run("up").returncode == 0
        for name in names:
            wait_until(lambda name=name: "event=broker_back" in log_of(lab, name), 60, f"{name} to go on")  # type: ignore[misc]
        before = len(httpx.get(served, trust_env=False).json())
        wait_until(
            lambda: start.poll() is not None or len(httpx.get(served, trust_env=False).json()) > before + 10,
            60,
            "more ticks",
            every=0.5,
        )
    finally:
        start.terminate()
        printed, complaints = start.communicate(timeout=180)
    assert start.returncode == 0, complaints
    summary = json.loads(printed)
    assert summary["complete"], summary
    stored = stored_ticks(lab)
    assert sorted(stored) == sorted(
        (symbol, second) for _, symbol, second, _ in httpx.get(served, trust_env=False).json()
    )
    by_symbol: dict[str, list[int]] = {}
    for symbol, second in stored:
        by_symbol.setdefault(symbol, []).append(second)
    assert len(by_symbol) == 10
    assert all(seconds == sorted(seconds) for seconds in by_symbol.values())
    for name in names:
        assert "Traceback" not in log_of(lab, name)
        assert log_of(lab, name).count("event=broker_back") == 1


@pytest.fixture
def broker_comes_back(running_lab: Lab) -> Iterator[Lab]:
    yield running_lab
    kafka_server.start()
    kafka_utils.ensure_topics()


def kill_broker() -> None:
    broker = kafka_server.process()
    assert broker is not None
    broker.kill()
    wait_until(lambda: kafka_server.process() is None, 20, "the broker to be gone")


def test_a_producer_whose_buffer_is_full_stops_reading_and_then_delivers_all_in_order(broker_comes_back: Lab) -> None:
    lab = broker_comes_back.with_environment(LAB_PRODUCER_BUFFER_MB="1")
    produce = lab.begin("produce", "crypto", "--feed", f"file:{SAMPLES}", "--speed", "400", "--json")
    assert produce.stderr is not None
    wait_until(lambda: sum(kafka_utils.end_offsets([CRYPTO.topic]).values()) > 100, 60, "the first records")
    kill_broker()
    said = ""
    for line in produce.stderr:
        said += line
        if "event=buffer_full" in line:
            break
    assert said.count("event=broker_away") <= 1
    kafka_server.start()
    printed, rest = produce.communicate(timeout=120)
    assert produce.returncode == 0, said + rest
    sent = json.loads(printed)
    assert (sent["undelivered"], sent["rejected"]) == (0, 0)
    found = records(CRYPTO.topic)
    assert len(found) == sent["acknowledged"] == sum(entry.asset is CRYPTO for entry in read_entries(SAMPLES))
    expected = [entry.raw for entry in read_entries(SAMPLES) if entry.symbol == "BTC"]
    times = [json.loads(record.value)["event_time"] for record in found if record.key == b"BTC"]
    assert times == [json.loads(raw)["event_time"] for raw in expected]
    assert "Traceback" not in said + rest


def test_a_producer_that_has_given_up_a_record_delivers_the_next_ones(broker_comes_back: Lab) -> None:
    producer = kafka_utils.make_producer(
        # Long enough to see the record on its way, also from a test that is given the processor seldom.
        delivery_timeout_ms=12_000,
        request_timeout_ms=10_000,
        reconnect_backoff_max_ms=500,
        linger_ms=0,
    )
    broker = kafka_server.process()
    assert broker is not None
    try:
        producer.send(CRYPTO.topic, key=b"BTC", value=b"first").get(timeout=30)
        broker.suspend()  # so that the next record is on its way when the broker dies
        given_up = producer.send(CRYPTO.topic, key=b"BTC", value=b"second")
        wait_until(lambda: any(producer._sender._in_flight_batches.values()), 20, "the record to be on its way")
        kill_broker()
        with pytest.raises(KafkaError):
            given_up.get(timeout=60)
        kafka_server.start()
        assert producer.send(CRYPTO.topic, key=b"BTC", value=b"third").get(timeout=60).topic == CRYPTO.topic
    finally:
        with suppress(psutil.NoSuchProcess):
            broker.resume()
        producer.close(timeout=0)


def producer_threads() -> list[str]:
    """The names of the threads that run now, those of Kafka's clients among them."""
    return [thread.name for thread in threading.enumerate()]


def test_what_kafka_did_not_take_before_the_end_is_counted(
    broker_comes_back: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FLUSH_SECONDS", 1)
    before = set(producer_threads())
    stopped = threading.Event()
    with open_exchange(read_entries(SAMPLES)) as exchange:
        feed = open_feed("quotes", exchange.api("quotes"), stopped)

        def until_some_are_held() -> Iterator[Tick | Rejected]:
            for number, tick in enumerate(feed):
                yield tick
                if number == 2:
                    wait_until(lambda: sum(kafka_utils.end_offsets([STOCKS.topic]).values()) == 3, 30, "three records")
                    kill_broker()
                if number == 5:
                    stopped.set()

        outcome = delivery.deliver(STOCKS, until_some_are_held(), stopped=stopped)
    assert outcome.acknowledged == 3
    assert outcome.sent == 3 + outcome.undelivered >= 6
    # kafka-python's closed producer lives on in a thread, and would deliver into the topic of the next test.
    kafka_server.start()
    wait_until(
        lambda: (
            sum(kafka_utils.end_offsets([STOCKS.topic]).values()) == outcome.sent or set(producer_threads()) <= before
        ),
        120,
        "what the closed producer still sends",
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["ctrl-c", "terminate"])
def test_a_stopped_producer_has_delivered_what_it_accepted(
    running_lab: Lab, exchange_of: Any, number: signal.Signals, code: int
) -> None:
    address = exchange_of(running_lab, "--speed", "4")
    lab = running_lab.with_environment(LAB_POLL_SECONDS="0.1")
    produce = lab.begin("produce", "stocks", "--feed", "exchange", "--json")
    wait_until(lambda: sum(kafka_utils.end_offsets([STOCKS.topic]).values()) > 10, 60, "ten records")
    os.killpg(produce.pid, number)
    printed, complaints = produce.communicate(timeout=60)
    assert produce.returncode == code, complaints
    served = httpx.get(f"{address}/control/served", trust_env=False).json()
    sent = json.loads(printed)
    assert sent == {"acknowledged": len(served), "rejected": 0, "undelivered": 0}
    found = [
        (record.key.decode(), json.loads(record.value, parse_float=str)["price"]) for record in records(STOCKS.topic)
    ]
    assert sorted(found) == sorted((symbol, price) for _, symbol, _, price in served)


@pytest.mark.parametrize(
    ("source", "variable"), [("trades", "LAB_STOCK_SOURCE"), ("finnhub", "LAB_CRYPTO_SOURCE")], ids=["shares", "coins"]
)
def test_the_websocket_feeds_a_producer(running_lab: Lab, exchange_of: Any, source: str, variable: str) -> None:
    address = exchange_of(running_lab)
    kind, asset = ("stocks", STOCKS) if source == "trades" else ("crypto", CRYPTO)
    produce = running_lab.with_environment(**{variable: source}).begin("produce", kind, "--feed", "exchange", "--json")
    wait_until(lambda: sum(kafka_utils.end_offsets([asset.topic]).values()) > 10, 60, "ten records")
    os.killpg(produce.pid, signal.SIGTERM)
    printed, complaints = produce.communicate(timeout=60)
    assert produce.returncode == 0, complaints
    found = records(asset.topic)
    assert json.loads(printed)["acknowledged"] == len(found)
    assert {json.loads(record.value)["source"] for record in found} == {"exchange:finnhub.trade"}
    served = [(symbol, price) for _, symbol, _, price in httpx.get(f"{address}/control/served", trust_env=False).json()]
    arrived = [(record.key.decode(), json.loads(record.value, parse_float=str)["price"]) for record in found]
    assert sorted(arrived) == sorted(served[: len(arrived)])


@pytest.mark.parametrize("kind", ["crypto", "stocks"])
def test_a_wrong_key_is_one_sentence_and_shown_nowhere(running_lab: Lab, exchange_of: Any, kind: str) -> None:
    exchange_of(running_lab)
    done = running_lab.with_environment(LAB_EXCHANGE_API_KEY=WRONG).run(
        "--verbose", "produce", kind, "--feed", "exchange"
    )
    assert (done.returncode, done.stdout) == (1, "")
    told = [line for line in done.stderr.splitlines() if "level=" not in line]
    assert told[0] == "Error: The local exchange does not accept the API key."
    assert len(told) == 2
    assert_secret(running_lab, done.stdout, done.stderr, key=WRONG)
    assert_secret(running_lab, done.stdout, done.stderr, key=(running_lab.state_dir / "exchange.key").read_text())


def test_a_key_that_is_refused_ends_a_start_in_one_sentence(fresh_lab: Lab) -> None:
    done = fresh_lab.run("start", "--for", "60", "--fault", "finnhub=401", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Error: producer_stocks ended: The local exchange does not accept the API key." in done.stderr
    assert "Traceback" not in done.stderr
    assert fresh_lab.processes() == []


@pytest.mark.parametrize("command", ["start", "start --for 5 --json", "produce crypto", "produce stocks"])
def test_live_without_keys_is_one_sentence_before_anything_starts(tmp_path: Path, command: str) -> None:
    lab = Lab(tmp_path / "lab").with_environment(
        LAB_FINNHUB_API_KEY="", LAB_CRYPTOCOMPARE_API_KEY="", LAB_CRYPTO_SOURCE="cryptocompare"
    )
    done = lab.run(*command.split(), "--feed", "live")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 2), done.stderr
    missing = {"produce crypto": "LAB_CRYPTOCOMPARE_API_KEY", "produce stocks": "LAB_FINNHUB_API_KEY"}.get(
        command, "LAB_CRYPTOCOMPARE_API_KEY and LAB_FINNHUB_API_KEY"
    )
    assert f"The live feed needs {missing}" in done.stderr
    assert lab.processes() == []
    assert not (lab.state_dir / "logs").exists()


def test_a_producer_without_an_exchange_says_how_to_start_one(running_lab: Lab) -> None:
    assert place.address() is None
    done = running_lab.run("produce", "crypto", "--feed", "exchange")
    assert done.returncode == 1
    assert "The local exchange does not run.\nStart it in another terminal: lab exchange" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["start", "--fault", "sulk"], "The fault 'sulk' is unknown"),
        (["start", "--feed", "live", "--fault", "429"], "Only the exchange makes faults on demand"),
        (["start", "--speed", "max"], "The exchange has no speed max"),
        (["exchange", "--fault", "429:7"], "The rate '7' of the fault 429 is not usable"),
        (["exchange", "--speed", "max"], "The exchange has no speed max"),
    ],
)
def test_what_an_exchange_cannot_do_is_one_sentence(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = Lab(tmp_path / "lab").run(*arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 2), done.stderr
    assert says in done.stderr


def test_a_second_exchange_is_refused_and_a_taken_port_is_avoided(fresh_lab: Lab, exchange_of: Any) -> None:
    with open_exchange(read_entries(SAMPLES)[:500]) as other:
        taken = _port(other)
        lab = fresh_lab.with_environment(LAB_EXCHANGE_PORT=str(taken))
        address = exchange_of(lab)
        assert int(address.rpartition(":")[2]) != taken
        second = lab.run("exchange")
        assert second.returncode == 1
        assert f"The exchange runs already, at {address.removeprefix('http://')}." in second.stderr


def _port(exchange: OpenExchange) -> int:
    return int(exchange.address.rpartition(":")[2])
