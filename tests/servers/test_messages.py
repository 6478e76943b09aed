"""What goes wrong is said in one sentence, with its repair, and never as a traceback."""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_utils.settings import settings
from lab_utils.waiting import wait_until
from tests.labs import Lab, is_loading

Ended = subprocess.CompletedProcess[str]


def complaint(done: Ended) -> str:
    """The message of a command that must have failed well: what happened, and under it the repair."""
    assert done.returncode in {1, 2}, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    found = re.fullmatch(r"Error: (\S.*[.!?]?)\n(\S.*)\n", done.stderr, re.DOTALL)
    assert found, done.stderr
    assert len(done.stderr) < 700
    return done.stderr


# --- Command lines ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("up --nope", "--nope"),
        ("nothing", "nothing"),
        ("produce bonds", "'crypto', 'stocks'"),
        ("produce", "crypto"),
        ("logs kafka -n 0", "-n"),
    ],
)
def test_a_wrong_command_line_is_answered_with_where_to_look(idle_lab: Lab, command: str, words: str) -> None:
    done = idle_lab.run(*command.split())
    assert done.returncode == 2
    assert words in complaint(done)
    assert done.stderr.endswith("See: lab --help\n")


def test_ctrl_c_while_the_program_loads_ends_it_without_a_traceback(idle_lab: Lab) -> None:
    lab = subprocess.Popen(
        [Path(sys.executable).with_name("lab"), "doctor"],
        env=idle_lab.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: is_loading(lab), 60, "lab to load", every=0.01)
    lab.send_signal(signal.SIGINT)
    printed, complaints = lab.communicate(timeout=60)
    assert (lab.returncode, printed + complaints) == (-signal.SIGINT, "")


def test_lab_alone_shows_the_help(idle_lab: Lab) -> None:
    done = idle_lab.run()
    assert "Traceback" not in done.stderr
    assert "Usage:" in done.stdout + done.stderr
    assert "Error:" not in done.stderr


@pytest.mark.parametrize("speed", ["fast", "0", "-1", "inf", "nan", "1x", ""])
def test_a_bad_speed_is_refused(idle_lab: Lab, speed: str) -> None:
    done = idle_lab.run("produce", "crypto", f"--speed={speed}")
    assert f"The speed '{speed}' is not usable." in complaint(done)


@pytest.mark.parametrize("feed", ["kafka:prices", "crypto.csv", "file:", "http://127.0.0.1/prices"])
def test_an_unknown_kind_of_feed_is_refused(idle_lab: Lab, feed: str) -> None:
    assert f"The feed '{feed}' is unknown.\nUse exchange, live, or file:PATH" in complaint(
        idle_lab.run("produce", "crypto", "--feed", feed)
    )


# --- Feeds --------------------------------------------------------------------------------------------------


def test_a_missing_feed_file_is_named(idle_lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    assert str(path) in complaint(idle_lab.run("produce", "crypto", "--feed", f"file:{path}"))


def damaged_gzip(path: Path) -> Path:
    path = path / "ticks.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"symbol": "BTC"}\n' * 1000)[:40])
    return path


def not_gzip(path: Path) -> Path:
    path = path / "ticks.jsonl.gz"
    path.write_bytes(b"\x00\x01\x02 no such thing")
    return path


def empty(path: Path) -> Path:
    path = path / "ticks.csv"
    path.touch()
    return path


def unknown_ending(path: Path) -> Path:
    path = path / "ticks.xlsx"
    path.write_bytes(b"PK")
    return path


def folder(path: Path) -> Path:
    path = path / "ticks.jsonl"
    path.mkdir()
    return path


def forbidden(path: Path) -> Path:
    path = path / "ticks.jsonl"
    path.write_text("{}\n")
    path.chmod(0)
    return path


@pytest.mark.parametrize("make", [damaged_gzip, not_gzip, empty, unknown_ending, folder, forbidden])
def test_a_feed_file_that_cannot_be_read_is_named(idle_lab: Lab, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Root may read the forbidden one, and finds no tick in it."""
    path = make(tmp_path)
    assert str(path) in complaint(idle_lab.run("produce", "crypto", "--feed", f"file:{path}"))


def test_a_wrong_column_name_is_answered_with_the_columns_there_are(idle_lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text("when,what,how_much\n2026-11-02T14:30:00Z,BTC,1.5\n")
    columns = "event_time=when,symbol=what,price=cost"
    done = idle_lab.run("produce", "crypto", "--feed", f"file:{path}", "--columns", columns)
    said = complaint(done)
    assert "cost" in said
    assert {"when", "what", "how_much"} <= set(re.findall(r"\w+", said))


# --- Settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["ninety", "80", "70000", ""])
def test_a_bad_port_is_named_by_its_setting(idle_lab: Lab, port: str) -> None:
    done = idle_lab.with_environment(LAB_KAFKA_PORT=port).run("up")
    assert complaint(done).startswith("Error: The setting LAB_KAFKA_PORT is not usable: ")


@pytest.mark.parametrize(
    ("command", "role"),
    [("consume --once", "writer"), ("up", "owner"), ("up", "writer"), ("up", "reader")],
)
def test_a_wrong_password_is_named_by_its_role_and_setting(session_lab: Lab, command: str, role: str) -> None:
    setting = f"LAB_{role.upper()}_PASSWORD"
    done = session_lab.with_environment(**{setting: "not the one"}).run(*command.split())
    said = complaint(done)
    assert f"PostgreSQL refused the password of lab_{role}." in said
    assert setting in said
    assert "not the one" not in said


# --- Servers and folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["produce crypto", "consume", "consume --once", "stream --once", "powerbi"])
def test_a_command_that_needs_servers_names_the_command_that_starts_them(idle_lab: Lab, command: str) -> None:
    said = complaint(idle_lab.run(*command.split()))
    assert re.fullmatch(r"Error: (Kafka|PostgreSQL) is not running\.\nStart it with: lab up\n", said)


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "down",
        "start --for 1",
        "reset --yes",
        "produce crypto",
        "consume",
        "stream --once",
        "logs kafka",
    ],
)
def test_a_state_folder_that_cannot_be_made_is_no_traceback(tmp_path: Path, command: str) -> None:
    """Below a file there can be no folder; permissions would not stop root."""
    (tmp_path / "file").touch()
    complaint(Lab(tmp_path / "file" / "lab").run(*command.split()))


def test_up_names_the_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = complaint(Lab(tmp_path / "file" / "lab").run("up"))
    assert f"{tmp_path / 'file' / 'lab'} cannot be written by this user (Not a directory)." in said


def test_doctor_finds_the_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = Lab(tmp_path / "file" / "lab").run("doctor")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def run_on_a_small_disk(lab: Lab, *arguments: str) -> Ended:
    """Run `lab` with 20 MB for its state: a file system of its own where that is allowed, else /dev/shm."""
    command = [sys.executable, "-m", "lab_utils.cli", *arguments]
    lab.state_dir.mkdir(exist_ok=True)
    mount = f'mount -t tmpfs -o size=20m tmpfs "{lab.state_dir}" && exec "$@"'
    for namespace in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        inside = [*namespace, "--", "sh", "-c", mount, "sh"]
        try:
            if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode == 0:
                command = [*inside, *command]
                break
        except OSError:
            continue
    else:
        # A container that allows neither has 64 MB of shared memory, unless somebody asked for more.
        small = Path("/dev/shm")
        if not small.is_dir() or shutil.disk_usage(small).free > 400_000_000:
            pytest.skip("no way to make a small file system here")
        lab = Lab(small / lab.state_dir.parent.name)
    try:
        return subprocess.run(
            command,
            env=lab.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        shutil.rmtree(lab.state_dir)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file systems in memory")
def test_up_without_room_says_how_much_it_needs(idle_lab: Lab) -> None:
    said = complaint(run_on_a_small_disk(idle_lab, "up"))
    assert re.match(r"Error: Only \d+ MB are free on the disk that holds .*; .* need 500 MB\.\nFree ", said)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file systems in memory")
@pytest.mark.parametrize("command", ["down", "reset --yes"])
def test_what_makes_room_needs_none(idle_lab: Lab, command: str) -> None:
    done = run_on_a_small_disk(idle_lab, *command.split())
    assert done.returncode == 0, done.stderr


# --- Java and jars ------------------------------------------------------------------------------------------

WITHOUT_JAVA = """
import sys
from pathlib import Path
from lab_utils.servers import java
from lab_utils.cli import main
java.BROUGHT_ALONG = Path("no such folder")
sys.prefix = "no such folder"
sys.exit(main())
"""


@pytest.fixture
def no_java(fresh_lab: Lab, tmp_path: Path) -> Callable[..., Ended]:
    """Run a command where neither PATH, nor conda, nor the lab's own folder has a Java."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("unshare", "setpriv", "sh", "apt-get"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)

    def run(*arguments: str, **extra: str) -> Ended:
        environment = {**fresh_lab.with_environment(PATH=str(programs)).environment, **extra}
        for name in {"JAVA_HOME", "CONDA_PREFIX"} - set(extra):
            environment.pop(name, None)
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_JAVA, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_up_without_java_names_the_command_that_installs_it_and_downloads_nothing(
    no_java: Callable[..., Ended],
) -> None:
    said = complaint(no_java("up"))
    assert said.startswith("Error: The lab needs Java 17 or 21 and found no Java")
    assert "Install one with: " in said
    assert "ownload" not in said


def test_doctor_without_java_names_the_command_that_installs_it(no_java: Callable[..., Ended]) -> None:
    done = no_java("doctor", "--json")
    assert done.returncode == 1
    assert "Install one with: " in done.stdout


def test_a_java_home_that_is_none_is_like_no_java(no_java: Callable[..., Ended], tmp_path: Path) -> None:
    said = complaint(no_java("up", JAVA_HOME=str(tmp_path / "nowhere")))
    assert "needs Java 17 or 21" in said


def test_a_java_home_that_is_none_does_not_hide_the_java_of_the_path(session_lab: Lab, tmp_path: Path) -> None:
    done = session_lab.with_environment(JAVA_HOME=str(tmp_path / "nowhere")).run("doctor", "--json")
    assert "needs Java" not in done.stdout


def test_up_with_all_jars_there_downloads_nothing(session_lab: Lab) -> None:
    away = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    done = session_lab.with_environment(**away, LAB_JARS_DIR=str(settings().jars_dir)).run("up")
    assert (done.returncode, done.stderr) == (0, "")
