"""Processes, ports and files of the servers, without a server."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lab_utils.errors import LabError
from lab_utils.servers import processes
from lab_utils.servers.processes import Record
from lab_utils.waiting import wait_until


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "lab"))
    return tmp_path / "lab"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        yield opened


def python(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)


def test_a_record_that_was_written_is_read() -> None:
    processes.write_record("kafka", Record(1, 9092, 9092))
    assert processes.read_record("kafka") == Record(1, 9092, 9092)


def test_there_is_no_record_before_the_first_start() -> None:
    assert processes.read_record("kafka") is None


def test_records_that_are_written_at_once_are_all_kept() -> None:
    """Does one server's record survive that both servers start at the same moment?"""
    names = [f"server{number}" for number in range(8)]
    together = threading.Barrier(len(names))

    def write(name: str) -> None:
        together.wait()
        for port in range(20):
            processes.write_record(name, Record(1, port, 0))

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(write, names))
    assert [processes.read_record(name) for name in names] == [Record(1, 19, 0)] * len(names)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"kafka": null}',
        '{"kafka": []}',
        '{"kafka": {"pid": 1}}',
        '{"kafka": {"pid": "1", "port": 1, "wanted_port": 1}}',
        "\udcff",
    ],
)
def test_a_damaged_state_file_is_no_record_and_can_be_written(state_dir: Path, text: str) -> None:
    state_dir.mkdir()
    (state_dir / "state.json").write_bytes(text.encode(errors="surrogateescape"))
    assert processes.read_record("kafka") is None
    processes.write_record("kafka", Record(1, 2, 3))
    assert processes.read_record("kafka") == Record(1, 2, 3)


def test_a_found_server_keeps_the_port_that_was_wanted_at_its_start() -> None:
    processes.write_record("kafka", Record(1, 9093, 9092))
    processes.keep_record("kafka", Record(2, 9093, 19092))
    assert processes.read_record("kafka") == Record(2, 9093, 9092)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_private_file_is_its_owners_alone_and_leaves_no_other_behind(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.touch(mode=0o644)
    processes.write_private(path, "{}")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secrets.json"]


def test_a_port_is_free_only_when_nobody_listens(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert not processes.is_free(port)
    listener.close()
    assert processes.is_free(port)


def test_the_wanted_port_is_passed_over_when_it_is_taken(listener: socket.socket) -> None:
    wanted = listener.getsockname()[1]
    assert wanted < processes.choose_port("kafka", wanted) < wanted + 100


def test_the_port_of_the_last_start_comes_first(listener: socket.socket) -> None:
    before = listener.getsockname()[1]
    listener.close()
    processes.write_record("kafka", Record(1, before, 9092))
    assert processes.choose_port("kafka", 9092) == before


def test_a_changed_setting_counts_more_than_the_last_port(listener: socket.socket) -> None:
    before = listener.getsockname()[1]
    listener.close()
    processes.write_record("kafka", Record(1, before, 9092))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        wanted = probe.getsockname()[1]
    assert wanted <= processes.choose_port("kafka", wanted) < wanted + 100


DYING = """
import ctypes, socket, sys, threading, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
threading.Thread(target=time.sleep, args=(2,)).start()
print("listens", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="how a process ends differs")
def test_a_server_whose_last_thread_is_still_ending_keeps_its_port(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with python(DYING, str(port)) as process:
        assert process.stdout is not None and process.stdout.readline() == b"listens\n"
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, 20, "its first thread to end")
        assert not processes.is_free(port)
        processes.write_record("kafka", Record(process.pid, port, port))
        assert processes.choose_port("kafka", port) == port


CLAIM = """
import sys, threading
from lab_utils.servers import processes
processes.claim_port(int(sys.argv[1]))
print("claimed", flush=True)
threading.Event().wait()
"""


def test_a_port_that_another_checkout_claims_is_passed_over_until_its_process_ends(listener: socket.socket) -> None:
    wanted = listener.getsockname()[1]
    listener.close()
    with python(CLAIM, str(wanted)) as other, python(CLAIM, str(wanted)) as another:
        assert [process.stdout.readline() for process in (other, another) if process.stdout] == [b"claimed\n"] * 2
        assert processes.choose_port("kafka", wanted) > wanted
        processes.write_record("kafka", Record(1, wanted, wanted))
        assert processes.choose_port("kafka", wanted) == wanted, "the claim is that of its own lab"
        processes.write_record("kafka", Record(1, wanted, wanted - 1))
        for process in (other, another):
            process.kill()
    wait_until(lambda: processes.choose_port("kafka", wanted) == wanted, 20, "the port to be free again")


def test_a_port_that_somebody_takes_between_choice_and_use_is_passed_over(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = listener.getsockname()[1]
    is_free = processes.is_free
    monkeypatch.setattr(processes, "is_free", lambda port: port == wanted or is_free(port))
    with processes.listening("dashboard", wanted) as opened:
        host, port = opened.getsockname()
        assert host == "127.0.0.1" and wanted < port < wanted + 100
        socket.create_connection((host, port), timeout=5).close()


@pytest.mark.parametrize(
    ("name", "setting"),
    [("kafka", "KAFKA"), ("kafka-3", "KAFKA"), ("kafka_controller", "KAFKA"), ("spark-master-page", "SPARK")],
)
def test_no_free_port_is_a_sentence_with_the_setting(monkeypatch: pytest.MonkeyPatch, name: str, setting: str) -> None:
    monkeypatch.setattr(processes, "is_free", lambda _port: False)
    with pytest.raises(LabError, match=rf"No free port for {name} between 9092 and 9191\. Set LAB_{setting}_PORT in"):
        processes.choose_port(name, 9092)


def test_a_process_is_found_by_all_of_its_arguments() -> None:
    with python("input()", "one-argument", "another-argument") as process:
        try:
            found = wait_until(lambda: processes.find_process("another-argument", "one-argument"), 20, "the process")
            assert found is not None
            assert found.pid == process.pid
            assert processes.find_process("one-argument", "a third one") is None
            assert processes.find_process("one-arg") is None
        finally:
            process.kill()


def test_a_process_that_ended_and_was_not_reaped_is_not_found() -> None:
    with python("pass", "an-ended-process") as process:
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, 20, "the process to end")
        assert processes.find_process("an-ended-process") is None


@pytest.mark.parametrize("pid", [-1, 2**31 - 1, 2**70])
def test_a_recorded_process_id_that_names_nobody_is_nobody(pid: int) -> None:
    processes.write_record("kafka", Record(pid, 9092, 9092))
    assert processes.recorded_process("kafka", "x") is None


def test_a_process_that_ends_when_asked_is_not_killed() -> None:
    with python("print(flush=True)\nimport time; time.sleep(600)") as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert processes.stop_process(psutil.Process(process.pid), seconds=20)
        assert process.wait() == -15


def test_a_process_that_does_not_listen_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(flush=True)\ntime.sleep(600)"
    with python(code) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not processes.stop_process(psutil.Process(process.pid), seconds=0.2)
        assert process.wait() == -9


def test_a_started_process_does_not_get_our_ctrl_c(tmp_path: Path) -> None:
    process = processes.spawn([sys.executable, "-c", "input()"], tmp_path / "logs" / "out")
    try:
        assert os.getpgid(process.pid) != os.getpgid(0)
    finally:
        process.kill()
        process.wait()


def test_a_half_made_folder_is_removed_and_its_maker_is_stopped(tmp_path: Path) -> None:
    half_made = tmp_path / "data.new"
    half_made.mkdir()
    writing = (
        "import pathlib, sys, time\n"
        "while True:\n"
        "    pathlib.Path(sys.argv[1]).mkdir(exist_ok=True)\n"
        "    (pathlib.Path(sys.argv[1]) / str(time.monotonic_ns())).touch()\n"
        "    time.sleep(0.01)\n"
    )
    with python(writing, str(half_made)) as maker:
        try:
            wait_until(lambda: list(half_made.iterdir()), 20, "the maker to write")
            processes.remove_half_made(half_made, writing, str(half_made))
            assert maker.poll() is not None
            assert not half_made.exists()
        finally:
            maker.kill()


def test_a_folder_that_nobody_began_is_no_problem(tmp_path: Path) -> None:
    processes.remove_half_made(tmp_path / "data.new", "nobody")


def test_the_last_telling_lines_of_a_log_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ERROR one\nINFO two\nERROR three\nERROR four\n")
    assert processes.last_lines(log, ("ERROR",), 2) == "ERROR three | ERROR four"
    assert processes.last_lines(log, ("ERROR",), start=len("ERROR one\nINFO two\nERROR three\n")) == "ERROR four"
    assert processes.last_lines(tmp_path / "none", ("ERROR",)) == ""


def test_the_state_folder_is_made_for_its_owner_alone(state_dir: Path) -> None:
    processes.check_state_dir(needed_bytes=0)
    assert list(state_dir.iterdir()) == []
    if os.name == "posix":
        assert state_dir.stat().st_mode & 0o777 == 0o700


def test_a_path_that_kafka_would_take_for_two_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "Kurs A, Gruppe 2"))
    with pytest.raises(LabError, match="has a comma"):
        processes.check_state_dir(needed_bytes=1)
    assert not (tmp_path / "Kurs A, Gruppe 2").exists()


def test_too_little_room_is_a_sentence() -> None:
    with pytest.raises(LabError, match=r"Only \d+ MB are free on the disk .* need 1000000000 MB"):
        processes.check_state_dir(needed_bytes=10**15)


def test_the_state_file_is_json_that_a_person_can_read(state_dir: Path) -> None:
    processes.write_record("kafka", Record(1, 2, 3))
    text = (state_dir / "state.json").read_text()
    assert json.loads(text) == {"kafka": {"pid": 1, "port": 2, "wanted_port": 3}}
    assert len(text.splitlines()) > 1
