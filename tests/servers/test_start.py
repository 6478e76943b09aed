"""`lab start` as a user runs it: the whole pipeline as processes, its summary, and every way in which it may end."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from lab_utils.servers import processes
from lab_utils.waiting import wait_until
from tests.labs import Lab
from tests.servers.records import SAMPLES, at, tick_json

PARTS = {"stream": "stream", "producers": "produce", "kafka": "kafka.Kafka"}


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for this file; each test leaves it without a running process."""
    lab = Lab(tmp_path_factory.mktemp("start") / "lab")
    yield lab
    lab.clear()


@pytest.fixture
def stopped_lab(module_lab: Lab) -> Iterator[Lab]:
    assert module_lab.processes() == []
    yield module_lab
    module_lab.clear()
    module_lab.run("reset", "--yes")


def running(lab: Lab, part: str) -> list[psutil.Process]:
    """The processes of one part of the pipeline."""
    return [process for process, arguments in lab.command_lines().items() if PARTS[part] in arguments]


def rows(lab: Lab) -> int:
    """How many rows of ticks the database has; 0 while it is not there."""
    count = "import lab_utils.db_utils as d\nwith d.cursor() as c: c.execute('SELECT count(*) FROM ticks'); print(*c.fetchone())"
    done = subprocess.run(
        [sys.executable, "-c", count], env=lab.environment, capture_output=True, text=True, timeout=60, check=False
    )
    return int(done.stdout or 0)


def await_part(lab: Lab, start: "subprocess.Popen[str]", part: str) -> psutil.Process:
    """Wait until a part runs; fail at once when `lab start` has ended."""
    wait_until(lambda: start.poll() is not None or running(lab, part), 200, f"{part} to run", every=0.2)
    assert start.poll() is None, start.communicate()
    return running(lab, part)[0]


def await_rows(lab: Lab, start: "subprocess.Popen[str]") -> None:
    wait_until(lambda: start.poll() is not None or rows(lab), 200, "the first rows", every=0.5)
    assert start.poll() is None, start.communicate()


def complete(printed: str) -> dict[str, Any]:
    """The summary, which must say that each record is stored once."""
    summary: dict[str, Any] = json.loads(printed)
    assert summary["stored"] + summary["dead_letters"] == summary["produced"] == summary["acknowledged"] > 0
    assert (summary["undelivered"], summary["duplicates"], summary["complete"]) == (0, 0, True)
    return summary


def test_a_run_of_some_seconds_stores_each_tick_once_and_leaves_nothing_running(stopped_lab: Lab) -> None:
    done = stopped_lab.run("start", "--for", "8", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = complete(done.stdout)
    assert summary["dead_letters"] == 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert 0 < summary["seconds_to_first_row"] < 240  # about 20 s on a machine that does nothing else
    assert {"kafka", "postgres", "stream", "producer_crypto", "producer_stocks"} < set(summary["memory_mb"])
    assert summary["memory_mb"]["total"] < 2500
    assert stopped_lab.processes() == []


def test_servers_that_ran_before_run_on_and_a_bad_line_is_a_dead_letter(stopped_lab: Lab, tmp_path: Path) -> None:
    feed = tmp_path / "my ticks.jsonl"
    feed.write_bytes(tick_json() + b"\nrubbish\n" + tick_json(event_time=at(1), price="0.000000000000000001") + b"\n")
    stopped_lab.run("up")
    broker = running(stopped_lab, "kafka")
    done = stopped_lab.run("start", "--for", "2", "--feed", f"file:{feed}", "--speed", "max", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = complete(done.stdout)
    assert (summary["stored"], summary["dead_letters"]) == (2, 1)
    assert running(stopped_lab, "kafka") == broker
    assert not running(stopped_lab, "stream")


def test_ctrl_c_ends_a_run_early_with_a_whole_summary(stopped_lab: Lab) -> None:
    start = stopped_lab.begin("start", "--for", "600", "--json")
    await_rows(stopped_lab, start)
    os.killpg(start.pid, signal.SIGINT)
    printed, complaints = start.communicate(timeout=120)
    assert start.returncode == 130, complaints
    complete(printed)
    assert "Traceback" not in complaints
    assert stopped_lab.processes() == []


def test_ctrl_c_while_the_servers_start_leaves_nothing_running(stopped_lab: Lab) -> None:
    start = stopped_lab.begin("start", "--for", "600", "--json")
    await_part(stopped_lab, start, "stream")
    os.killpg(start.pid, signal.SIGINT)
    _, complaints = start.communicate(timeout=120)
    assert start.returncode == 130, complaints
    assert "Traceback" not in complaints
    assert stopped_lab.processes() == []


def test_a_part_that_dies_ends_the_run_in_one_sentence(stopped_lab: Lab) -> None:
    logs = stopped_lab.state_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for kind in ("crypto", "stocks"):
        (logs / f"producer_{kind}.log").write_text("Error: That was yesterday.\nRepair it.\n")
    start = stopped_lab.begin("start", "--for", "600", "--json")
    await_part(stopped_lab, start, "producers").kill()
    printed, complaints = start.communicate(timeout=120)
    assert (start.returncode, printed) == (1, "")
    assert re.search(r"Error: producer_(crypto|stocks) ended: .*\nIts log: lab logs producer_", complaints)
    assert "Traceback" not in complaints and "yesterday" not in complaints
    assert stopped_lab.processes() == []


def test_a_second_start_is_refused_and_what_a_killed_one_left_is_cleared_away(stopped_lab: Lab) -> None:
    first = stopped_lab.begin("start", "--for", "600", "--json")
    await_rows(stopped_lab, first)
    second = stopped_lab.run("start", "--for", "1")
    assert second.returncode == 1
    assert "The pipeline runs already in this checkout." in second.stderr
    first.kill()
    first.communicate()
    assert running(stopped_lab, "stream")
    assert running(stopped_lab, "producers")
    done = stopped_lab.run("start", "--for", "2", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    complete(done.stdout)
    down = stopped_lab.run("down")
    assert (down.returncode, stopped_lab.processes()) == (0, [])


def test_a_start_without_a_time_limit_brings_jupyterlab_outlives_it_and_a_server_and_ctrl_c_stops_all(
    stopped_lab: Lab,
) -> None:
    start = stopped_lab.begin("start")
    assert start.stdout is not None
    address = ""
    for line in start.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\S+", line):
            address = found.group()
            break
    assert address
    dashboard = re.search(r"http://127\.0\.0\.1:\d+/", start.stdout.readline())
    assert dashboard and "Market Stream Lab" in httpx.get(dashboard.group(), trust_env=False).text
    children = psutil.Process(start.pid).children()
    (jupyter,) = (process for process in children if "jupyterlab" in process.cmdline())
    assert httpx.get(address, follow_redirects=True, trust_env=False).status_code == httpx.codes.OK
    assert httpx.get(address.partition("token=")[0], trust_env=False).status_code != httpx.codes.OK
    assert address.partition("token=")[2] not in " ".join(jupyter.cmdline())
    shut_down(address)
    wait_until(lambda: not processes.is_alive(jupyter), 60, "JupyterLab to end")
    await_rows(stopped_lab, start)
    (postgres,) = (process for process, line in stopped_lab.command_lines().items() if "shared_buffers=64MB" in line)
    postgres.kill()
    # Some seconds of tries, in which the rows are counted once a second.
    log = stopped_lab.state_dir / "logs" / "stream.log"
    wait_until(lambda: log.read_text().count("event=retry") >= 5, 120, "the stream to try again and again", every=0.2)
    assert stopped_lab.run("up").returncode == 0
    before = rows(stopped_lab)
    wait_until(lambda: start.poll() is not None or rows(stopped_lab) > before, 120, "more rows", every=0.5)
    os.killpg(start.pid, signal.SIGINT)
    printed, complaints = start.communicate(timeout=120)
    assert start.returncode == 130, complaints
    found = re.search(r"([\d,]+) records produced, ([\d,]+) stored, 0 dead letters, 0 duplicates", printed)
    assert found
    assert found.group(1) == found.group(2)
    assert "ended; to have it back" in printed
    assert stopped_lab.processes() == []


ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/lab\?token=\S+")


def open_notebook(lab: Lab) -> tuple["subprocess.Popen[str]", str]:
    """A running `lab notebook`, and the address that it printed."""
    notebook = lab.begin("notebook")
    assert notebook.stdout is not None
    address = ADDRESS.search(notebook.stdout.readline())
    assert address, notebook.communicate()
    return notebook, address.group()


def answers(address: str) -> bool:
    """Whether the JupyterLab there is the one whose token this is: another one shows its login page."""
    status = address.replace("/lab?", "/api/status?")
    return httpx.get(status, trust_env=False).status_code == httpx.codes.OK


def test_lab_notebook_opens_jupyterlab_alone_and_ctrl_c_ends_it(stopped_lab: Lab) -> None:
    notebook, address = open_notebook(stopped_lab)
    assert answers(address)
    (jupyter,) = psutil.Process(notebook.pid).children()
    assert "jupyterlab" in jupyter.cmdline()
    assert not any(running(stopped_lab, part) for part in PARTS)
    second = stopped_lab.run("notebook")
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == f"Error: JupyterLab runs already in this checkout.\nOpen it at: {address}\n"
    stopped_lab.run("down")
    assert answers(address), "what stops the servers must leave the notebook to the one who calls it there"
    os.killpg(notebook.pid, signal.SIGINT)
    _, complaints = notebook.communicate(timeout=60)
    assert (notebook.returncode, complaints) == (130, "")
    assert not jupyter.is_running()
    assert stopped_lab.processes() == []


def test_a_jupyterlab_that_was_shut_down_in_the_browser_ends_lab_notebook_in_one_sentence(stopped_lab: Lab) -> None:
    notebook, address = open_notebook(stopped_lab)
    shut_down(address)
    _, complaints = notebook.communicate(timeout=60)
    assert (notebook.returncode, complaints) == (1, "Error: JupyterLab ended.\nLook at: lab logs jupyter\n")


def shut_down(address: str) -> None:
    """As File > Shut Down of JupyterLab does."""
    server, _, token = address.partition("lab?token=")
    done = httpx.post(f"{server}api/shutdown", headers={"Authorization": f"token {token}"}, trust_env=False)
    assert done.status_code == httpx.codes.OK


def test_two_labs_whose_notebooks_start_at_once_are_each_told_their_own_address(
    stopped_lab: Lab, fresh_lab: Lab
) -> None:
    labs = (stopped_lab, fresh_lab)
    notebooks = [lab.begin("notebook") for lab in labs]
    lines = [notebook.stdout.readline() for notebook in notebooks if notebook.stdout is not None]
    addresses = [found.group() for found in map(ADDRESS.search, lines) if found]
    assert len(set(addresses)) == 2
    assert all(map(answers, addresses))
    for notebook in notebooks:
        os.killpg(notebook.pid, signal.SIGINT)
        _, complaints = notebook.communicate(timeout=60)
        assert (notebook.returncode, complaints) == (130, "")
    assert [lab.processes() for lab in labs] == [[], []]


def test_what_a_killed_lab_notebook_left_gives_way_to_the_next(stopped_lab: Lab) -> None:
    killed, _ = open_notebook(stopped_lab)
    (left,) = psutil.Process(killed.pid).children()
    killed.kill()
    killed.communicate()
    notebook, address = open_notebook(stopped_lab)
    assert answers(address)
    assert not left.is_running()
    os.killpg(notebook.pid, signal.SIGINT)
    notebook.communicate(timeout=60)
    assert stopped_lab.processes() == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_terminal_that_is_closed_stops_all(stopped_lab: Lab) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup, which the lab respects
    try:
        start = stopped_lab.begin("start", "--for", "600", "--json")
    finally:
        signal.signal(signal.SIGHUP, before)
    await_part(stopped_lab, start, "stream")
    os.killpg(start.pid, signal.SIGHUP)
    start.communicate(timeout=120)
    assert stopped_lab.processes() == []


@pytest.mark.parametrize("name", ["crypto_ticks.jsonl.gz", "stock_ticks.jsonl.gz"])
def test_a_recording_of_one_kind_is_replayed_by_its_producer_alone(stopped_lab: Lab, tmp_path: Path, name: str) -> None:
    with gzip.open(SAMPLES / name) as lines:
        (tmp_path / "some.jsonl").write_bytes(b"".join(line for line, _ in zip(lines, range(50), strict=False)))
    feed = f"file:{tmp_path / 'some.jsonl'}"
    done = stopped_lab.run("start", "--for", "1", "--feed", feed, "--speed", "max", "--now", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert complete(done.stdout)["stored"] == 50
