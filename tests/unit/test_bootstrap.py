"""What set-up decides before it installs anything; a whole install is `./start_pipeline.sh`."""

import ast
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from lab_utils import bootstrap
from lab_utils.bootstrap import Folder
from lab_utils.settings import ROOT

POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="runs the .sh scripts")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A checkout with the files that count, not set up."""
    folder = Folder(tmp_path / "my lab")
    for name in bootstrap.STAMPED_FILES:
        (folder.root / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.root / name).write_text(f"content of {name}")
    return folder


@pytest.fixture
def ready(folder: Folder) -> Folder:
    """A checkout that looks completely set up."""
    for name in ("python", "lab"):
        folder.program(name).parent.mkdir(parents=True, exist_ok=True)
        folder.program(name).touch()
    bootstrap.write_stamp(folder, bootstrap.current_stamp(folder))
    return folder


def refuse(*args: object, **_: object) -> NoReturn:
    raise AssertionError(f"must not be called: {args}")


# --- The stamp


def test_a_second_set_up_prints_nothing_and_runs_nothing(
    ready: Folder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert bootstrap.set_up(ready) == 0
    assert capfd.readouterr() == ("", "")
    assert not ready.lab.exists()


@pytest.mark.parametrize("name", bootstrap.STAMPED_FILES)
def test_a_changed_file_calls_for_a_set_up(ready: Folder, name: str) -> None:
    (ready.root / name).write_text("other content")
    assert not bootstrap.is_set_up(ready)


def test_a_moved_checkout_calls_for_a_set_up(ready: Folder, tmp_path: Path) -> None:
    moved = Folder(ready.root.rename(tmp_path / "moved"))
    assert not bootstrap.is_set_up(moved)
    assert not bootstrap.venv_is_usable(moved, uv=None)


def test_another_python_version_calls_for_a_set_up(ready: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    assert not bootstrap.is_set_up(ready)


@pytest.mark.parametrize("program", ["python", "lab"])
def test_a_lost_program_calls_for_a_set_up(ready: Folder, program: str) -> None:
    """Is it seen that the system's Python went away under `.venv`?"""
    ready.program(program).unlink()
    ready.program(program).symlink_to("nowhere")
    assert not bootstrap.is_set_up(ready)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"folder": 1}'])
def test_an_unreadable_stamp_calls_for_a_set_up(ready: Folder, content: str) -> None:
    ready.stamp.write_text(content)
    assert not bootstrap.is_set_up(ready)


def test_the_stamp_is_replaced_in_one_go(ready: Folder) -> None:
    bootstrap.write_stamp(ready, {"folder": "here"})
    assert json.loads(ready.stamp.read_text()) == {"folder": "here"}
    assert list(ready.venv.glob("*.new")) == []


def test_a_venv_whose_python_does_not_run_is_not_usable(ready: Folder) -> None:
    assert not bootstrap.venv_is_usable(ready, uv=None)


# --- Sentences instead of tracebacks


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 8, 18), (3, 10, 13)])
def test_an_old_python_is_named(version: tuple[int, ...]) -> None:
    shown = ".".join(map(str, version))
    assert bootstrap.python_problem(version) == (
        f"The lab needs Python 3.11 or newer and this is {shown}: install a newer one and start again."
    )


def test_a_fitting_python_is_no_problem() -> None:
    assert bootstrap.python_problem((3, 11, 0)) is None
    assert bootstrap.python_problem((4, 0, 0)) is None


def test_a_32_bit_python_is_named() -> None:
    assert "64-bit" in (bootstrap.python_problem((3, 12, 0), max_integer=2**31 - 1) or "")


def test_python_3_8_can_parse_the_file() -> None:
    source = Path(bootstrap.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))


def test_main_prints_the_sentence_and_fails(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bootstrap, "python_problem", lambda _version: "This Python is too old.")
    assert bootstrap.main() == 1
    assert capfd.readouterr() == ("", "This Python is too old.\n")


@pytest.mark.parametrize(
    ("raised", "code", "printed"),
    [
        (KeyboardInterrupt(), 130, "stopped; start again to go on\n"),
        (OSError(13, "Permission denied", "x"), 1, "Set-up stopped ([Errno 13] Permission denied: 'x')"),
    ],
)
def test_main_ends_with_one_line(
    raised: BaseException,
    code: int,
    printed: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(_folder: Folder) -> NoReturn:
        raise raised

    monkeypatch.setattr(bootstrap, "set_up", fail)
    assert bootstrap.main() == code
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(printed)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    assert bootstrap.disk_problem(tmp_path, free_bytes=4_500_000_000) is None
    assert bootstrap.disk_problem(tmp_path, free_bytes=1_200_000_000) == (
        f"A first set-up needs about 4 GB (2 GB afterwards) on the disk of {tmp_path} "
        "and 1.2 GB are free: make room and start again."
    )


def test_a_python_without_venv_names_the_repair() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert bootstrap.venv_problem(has_ensurepip=True, on_debian=True) is None
    on_debian = bootstrap.venv_problem(has_ensurepip=False, on_debian=True) or ""
    elsewhere = bootstrap.venv_problem(has_ensurepip=False, on_debian=False) or ""
    assert f"apt-get install python{version}-venv" in on_debian
    assert "apt-get" not in elsewhere


def test_a_failed_install_is_one_sentence_with_the_reason(folder: Folder) -> None:
    failing = [sys.executable, "-c", "import sys; print('much output'); sys.exit('ERROR: no such version')"]
    with bootstrap.locked(folder) as lock, pytest.raises(bootstrap.SetupError) as raised:
        bootstrap.Runner(folder, lock).logged(failing, os.environ, "Installing")
    assert str(raised.value).startswith("Installing failed (no such version): check the internet connection")
    assert folder.log.read_text() == "much output\nERROR: no such version\n"


PIP_WITHOUT_INTERNET = """\
WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError('<pip.\
HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno -3] Temporary \
failure in name resolution')': /simple/setuptools/
ERROR: Could not find a version that satisfies the requirement setuptools==84.2.1 (from versions: none)
ERROR: No matching distribution found for setuptools==84.2.1
"""
UV_WITHOUT_INTERNET = """\
error: Request failed after 3 retries in 9.7s
  cause: dns error
  cause: failed to lookup address information: Temporary failure in name resolution
"""


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            PIP_WITHOUT_INTERNET,
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
        ),
        (UV_WITHOUT_INTERNET, "failed to lookup address information: Temporary failure in name resolution"),
        ("error: Failed to fetch\n  Caused by: no name\n", "no name"),
        ("something\nelse\n\n", "else"),
        ("", ""),
    ],
)
def test_the_reason_of_a_failure_is_found(output: str, reason: str) -> None:
    assert bootstrap.reason_of(output.splitlines()) == reason


# --- What the installers are given


def test_installers_write_into_the_folder_and_keep_the_users_index(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*bootstrap.REDIRECTING, "PIP_USER"):
        monkeypatch.setenv(name, "elsewhere")
    mine = {"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b", "HTTPS_PROXY": "c", "PIP_CERT": "d"}
    for name, value in mine.items():
        monkeypatch.setenv(name, value)
    environment = bootstrap.installer_environment(folder)
    assert environment.items() >= mine.items()
    assert environment["PIP_USER"] == "0"
    assert not environment.keys() & set(bootstrap.REDIRECTING)
    for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR", "XDG_CACHE_HOME"):
        assert Path(environment[name]).is_relative_to(folder.cache)


def test_one_package_is_cut_out_of_the_lock() -> None:
    entry = "ab==2 ; os_name == 'nt' \\\n    --hash=sha256:2 \\\n    --hash=sha256:3\n"
    lock = f"aa==1 \\\n    --hash=sha256:1\n{entry}b==3\n"
    assert bootstrap.lock_entry(lock, "ab") == entry
    assert bootstrap.lock_entry(lock, "b") == "b==3\n"
    assert bootstrap.lock_entry(lock, "a") == ""
    real = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert bootstrap.lock_entry(real, "setuptools").count("--hash=") == 2


def test_packages_whose_install_was_killed_are_done_again(folder: Folder) -> None:
    packages = folder.venv / "lib" / "python3.11" / "site-packages"
    records = {
        "whole": "whole.dist-info/INSTALLER,,\n",
        "as_unpacked": "as_unpacked/__init__.py,,\n",
        "without": None,
    }
    for name, record in records.items():
        info = packages / f"{name}.dist-info"
        info.mkdir(parents=True)
        if record:
            (info / "RECORD").write_text(record)
    bootstrap.drop_half_installed(folder)
    assert [info.name for info in packages.iterdir()] == ["whole.dist-info"]


# --- Two at once


def test_the_second_set_up_waits_for_the_first(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def second() -> None:
        with bootstrap.locked(folder):
            order.append("second")

    with bootstrap.locked(folder):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.5)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    assert capfd.readouterr().err == "another set-up is running in this folder; waiting\n"


@POSIX_ONLY
def test_the_lock_lasts_until_an_orphaned_installer_ends(folder: Folder) -> None:
    """Does a set-up that was killed outright keep the next one out while its pip still runs?"""
    child = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with bootstrap.locked(folder) as lock:
        orphan = subprocess.Popen(child, stdin=subprocess.PIPE, pass_fds=[lock])
    with (folder.lab / "setup.lock").open() as file:
        assert not bootstrap.try_lock(file)
        orphan.communicate()
        assert bootstrap.try_lock(file)


# --- The scripts

SET_UP = {
    ".sh": '"$python" -I "$root/lab_utils/bootstrap.py"',
    ".bat": '%python% -I "%root%lab_utils\\bootstrap.py"',
}
JOBS = {
    "start_pipeline.sh": 'exec "$root/.venv/bin/lab" start "$@"',
    "start_pipeline.bat": '"%root%.venv\\Scripts\\lab.exe" start %*',
    "run_tests.sh": (
        'exec "$root/.venv/bin/python" -m pytest -c "$root/pyproject.toml" --rootdir "$root" -n auto "$@"'
    ),
    "run_tests.bat": (
        '"%root%.venv\\Scripts\\python.exe" -m pytest -c "%root%pyproject.toml" --rootdir "%root%." -n auto %*'
    ),
}


@pytest.mark.parametrize("name", JOBS)
def test_each_script_sets_up_and_then_does_its_job(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert lines.count(SET_UP[Path(name).suffix]) == 1
    assert lines.count(JOBS[name]) == 1
    assert lines.index(SET_UP[Path(name).suffix]) < lines.index(JOBS[name])


@pytest.mark.parametrize("suffix", [".sh", ".bat"])
def test_both_scripts_of_a_system_set_up_alike(suffix: str) -> None:
    """Do they differ only in what the first comment says and in the job?"""

    def shared(name: str) -> list[str]:
        lines = (ROOT / f"{name}{suffix}").read_text(encoding="utf-8").splitlines()
        job = [JOBS[f"{name}{suffix}"], 'cd "$root"', 'cd /d "%root%"']
        return [line for line in lines if line not in job and "on the first run" not in line]

    assert shared("start_pipeline") == shared("run_tests")


def test_windows_scripts_have_windows_line_ends() -> None:
    for name in ("start_pipeline.bat", "run_tests.bat"):
        content = (ROOT / name).read_bytes()
        assert content.count(b"\r\n") == content.count(b"\n") > 10


@POSIX_ONLY
def test_scripts_are_executable() -> None:
    for name in ("start_pipeline.sh", "run_tests.sh", ".ci/run"):
        assert (ROOT / name).stat().st_mode & stat.S_IXUSR, name


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A checkout of only the scripts, with a set-up and programs that tell that they ran."""
    root = tmp_path / "a checkout"
    (root / "lab_utils").mkdir(parents=True)
    for name in ("start_pipeline.sh", "run_tests.sh"):
        shutil.copy(ROOT / name, root)
    (root / "lab_utils" / "bootstrap.py").write_text("import sys; sys.exit(print('set up', file=sys.stderr))")
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    lab = root / ".venv" / "bin" / "lab"
    lab.write_text('#!/bin/sh\necho "lab|$(pwd -P)|$1|$2|$3"\n')
    lab.chmod(0o755)
    return root


def run(script: Path, *arguments: str, cwd: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": path or os.environ["PATH"]}
    command = [str(script), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


@POSIX_ONLY
def test_start_works_through_a_link_from_another_folder(scripts: Path, tmp_path: Path) -> None:
    """Does `--feed file:ticks.jsonl` mean the caller's folder?"""
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    link = elsewhere / "go"
    link.symlink_to(Path("..", scripts.name, "start_pipeline.sh"))
    done = run(link, "--feed", "file:my ticks", cwd=elsewhere)
    assert done.stderr == "set up\n"
    assert done.stdout == f"lab|{elsewhere.resolve()}|start|--feed|file:my ticks\n"


@POSIX_ONLY
def test_a_failed_set_up_starts_nothing(scripts: Path) -> None:
    (scripts / "lab_utils" / "bootstrap.py").write_text("import sys; sys.exit(7)")
    done = run(scripts / "start_pipeline.sh", cwd=scripts)
    assert (done.returncode, done.stdout) == (7, "")


@POSIX_ONLY
@pytest.mark.parametrize("name", ["start_pipeline.sh", "run_tests.sh"])
def test_no_fitting_python_is_one_sentence(scripts: Path, tmp_path: Path, name: str) -> None:
    """Are a Python that does not run (a pyenv shim) and one that is too old passed over?"""
    (scripts / ".venv" / "bin" / "python").unlink()
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in ("sh", "dirname", "readlink", "uname"):
        (programs / tool).symlink_to(shutil.which(tool) or "")
    for fake in ("python3", "python3.12", "python"):
        (programs / fake).write_text("#!/bin/sh\nexit 1\n")
        (programs / fake).chmod(0o755)
    done = run(scripts / name, cwd=scripts, path=str(programs))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"The lab needs Python 3\.11 or newer and found none; run: .*\n", done.stderr)
