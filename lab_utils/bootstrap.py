"""Set the lab up in its own folder, in `.venv` and `.lab`; the start scripts run this before anything else.

It runs on a bare Python: standard library only, and syntax that Python 3.8 can parse, so that an old Python
gets a sentence and not a SyntaxError. All output goes to standard error: standard output belongs to the job
that follows.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

OLDEST_PYTHON = (3, 11)
NEEDED_GB = 4
STAMPED_FILES = ("requirements.lock", "pyproject.toml", "lab_utils/servers/jars.lock")

REDIRECTING = (
    *("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "FORCE_COLOR"),
    *(
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_PYTHON",
        "PIP_CONSTRAINT",
        "PIP_REQUIREMENT",
        "PIP_DRY_RUN",
    ),
    *(
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_PROJECT_ENVIRONMENT",
        "UV_CONSTRAINT",
        "UV_OVERRIDE",
        "UV_EXCLUDE_NEWER",
    ),
)
"""Variables that would send an install to another place or change its versions. Index and proxy ones stay."""


class SetupError(Exception):
    """Set-up cannot go on; the text is one sentence for the user."""


class Folder(NamedTuple):
    """The checkout, and where set-up puts things in it."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def stamp(self) -> Path:
        """What the virtual environment was set up from."""
        return self.venv / "lab-setup.json"

    @property
    def lab(self) -> Path:
        """The lab's state."""
        return self.root / ".lab"

    @property
    def cache(self) -> Path:
        """Downloads and temporary files of the installers; gone after success."""
        return self.lab / "cache"

    @property
    def log(self) -> Path:
        """The installers' whole output."""
        return self.lab / "logs" / "setup.log"

    def program(self, name: str) -> Path:
        """A program of the virtual environment."""
        return self.venv / "Scripts" / f"{name}.exe" if os.name == "nt" else self.venv / "bin" / name


def say(text: str) -> None:
    """Print one line for the user."""
    print(text, file=sys.stderr, flush=True)


# --- What is wanted and what is there -----------------------------------------------------------------------


def python_problem(version: Sequence[int], max_integer: int = sys.maxsize) -> str | None:
    """What is wrong with a Python of this version, or None."""
    if tuple(version[:2]) < OLDEST_PYTHON:
        found = ".".join(map(str, version[:3]))
        return f"The lab needs Python 3.11 or newer and this is {found}: install a newer one and start again."
    if max_integer <= 2**32:
        return "The lab needs a 64-bit Python and this one is 32-bit: install a 64-bit one and start again."
    return None


def disk_problem(root: Path, free_bytes: int) -> str | None:
    """Why a first install does not fit on the disk, or None."""
    if free_bytes >= NEEDED_GB * 1e9:
        return None
    return (
        f"A first set-up needs about {NEEDED_GB} GB (2 GB afterwards) on the disk of {root} "
        f"and {free_bytes / 1e9:.1f} GB are free: make room and start again."
    )


def venv_problem(*, has_ensurepip: bool, on_debian: bool) -> str | None:
    """Why this Python cannot make a virtual environment with pip, or None."""
    if has_ensurepip:
        return None
    version = ".".join(map(str, sys.version_info[:2]))
    sudo = "" if is_root() else "sudo "
    repair = (
        f"install it with: {sudo}apt-get install python{version}-venv" if on_debian else "install a complete Python"
    )
    return f"Python {version} at {base_python()} lacks its venv module: {repair}, then start again."


def is_root() -> bool:
    """Whether the user is root; never on Windows."""
    return sys.platform != "win32" and os.geteuid() == 0


def base_python() -> str:
    """The Python outside any virtual environment: it outlives a `.venv` that is made anew."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def current_stamp(folder: Folder) -> dict[str, str]:
    """What a set-up made now would be made from."""
    stamp = {"folder": str(folder.root), "python": platform.python_version()}
    for name in STAMPED_FILES:
        stamp[name] = hashlib.sha256((folder.root / name).read_bytes()).hexdigest()
    return stamp


def read_stamp(folder: Folder) -> dict[str, Any]:
    """The stamp in `.venv`; empty when there is none or it is not readable."""
    try:
        stamp = json.loads(folder.stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(folder: Folder, stamp: Mapping[str, str]) -> None:
    """Write the stamp so that a reader sees all of it or the one before."""
    new = folder.stamp.with_suffix(".new")
    new.write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
    new.replace(folder.stamp)


def is_set_up(folder: Folder) -> bool:
    """Whether `.venv` was completely set up from the files, the Python and the place of now."""
    programs = (folder.program("python"), folder.program("lab"))
    return all(map(Path.exists, programs)) and read_stamp(folder) == current_stamp(folder)


# --- One set-up at a time -----------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(folder: Folder) -> Iterator[int]:
    """Hold `.lab/setup.lock`; its file descriptor, which a child process may hold on to."""
    folder.lab.mkdir(mode=0o700, exist_ok=True)
    with (folder.lab / "setup.lock").open("a") as file:
        if not try_lock(file):
            say("another set-up is running in this folder; waiting")
            while not try_lock(file):
                time.sleep(0.2)
        yield file.fileno()


def try_lock(file: IO[str]) -> bool:
    """Lock the file for this process, or return False at once; it is unlocked when the process ends."""
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


# --- Running the installers ---------------------------------------------------------------------------------


class Status:
    """Shows that work goes on: a line with a clock on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self.text = ""
        self._started = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Status:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _show(self) -> None:
        terminal = sys.stderr.isatty()
        width = shutil.get_terminal_size().columns - 1
        while not self._done.wait(0.5 if terminal else 20):
            line = f"      {time.monotonic() - self._started:3.0f} s  {self.text}"[:width]
            print(
                f"\r{line:{width}}" if terminal else line,
                end="" if terminal else "\n",
                file=sys.stderr,
                flush=True,
            )
        if terminal:
            print(f"\r{'':{width}}\r", end="", file=sys.stderr, flush=True)


class Runner(NamedTuple):
    """Runs programs for the set-up that holds the lock."""

    folder: Folder
    lock: int

    def shown(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> int:
        """Run a program whose output is for the user; its exit code."""
        with self._started(command, environment, stdout=2, stderr=2) as process:
            return process.wait()

    def logged(self, command: Sequence[str | Path], environment: Mapping[str, str], what: str) -> None:
        """Run an installer with its output in the log and a status line.

        Raises:
            SetupError: it failed; the text has the reason that it gave.
        """
        lines: list[str] = []
        folder = self.folder
        folder.log.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(folder.log.open("a", encoding="utf-8"))
            status = stack.enter_context(Status())
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            process = stack.enter_context(self._started(command, environment, **pipes))
            for raw in process.stdout or ():
                lines.append(raw.decode("utf-8", "replace").rstrip())
                status.text = lines[-1].strip()
                print(lines[-1], file=log, flush=True)
        if process.returncode:
            reason = reason_of(lines) or f"exit code {process.returncode}"
            raise SetupError(
                f"{what} failed ({reason}): check the internet connection, see docs/troubleshooting.md for a "
                f"proxy or a mirror, and start again to go on; all the output is in "
                f"{folder.log.relative_to(folder.root)}."
            )

    @contextlib.contextmanager
    def _started(
        self, command: Sequence[str | Path], environment: Mapping[str, str], **streams: int
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A child in a process group of its own: Ctrl-C reaches only this program, which then ends the group.

        On POSIX the child inherits the lock, so when this program is killed the next set-up waits for it.
        """
        options: dict[str, Any] = {**streams, "start_new_session": True, "pass_fds": (self.lock,)}
        if sys.platform == "win32":
            options = {**streams, "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with subprocess.Popen(
            [str(part) for part in command],
            cwd=str(self.folder.root),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            **options,
        ) as process:
            try:
                yield process
            except BaseException:
                stop(process)
                raise


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a child and what it started."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGTERM)
    process.wait()


def reason_of(lines: Sequence[str]) -> str:
    """The line of an installer's output that tells why it failed.

    Without internet pip ends with "No matching distribution found"; its warnings before that have the reason.
    """
    for pattern in (
        r"connection broken by .*?'(.*?): (.*?)'",
        r"(?:ERROR|error|[Cc]ause(?:d by)?): (.*)",
    ):
        for line in reversed(lines):
            found = re.search(pattern, line)
            if found:
                return found.group(found.lastindex or 0).strip()[:300]
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def own_environment() -> dict[str, str]:
    """The environment without what would make the `.venv` Python load packages from elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    return {**kept, "PYTHONNOUSERSITE": "1"}


def installer_environment(folder: Folder) -> dict[str, str]:
    """The environment for pip and uv: they write only into the folder and use the user's own index."""
    temporary = folder.cache / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in own_environment().items() if name not in REDIRECTING}
    environment.update(
        PIP_CACHE_DIR=str(folder.cache / "pip"),
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        PIP_USER="0",
        UV_CACHE_DIR=str(folder.cache / "uv"),
        UV_PYTHON_DOWNLOADS="never",
        XDG_CACHE_HOME=str(folder.cache / "xdg"),
        NO_COLOR="1",
    )
    if not Path("~/.rustup").expanduser().exists():  # pip asks rustc for its version; rustup's one makes this folder
        environment["RUSTUP_HOME"] = str(folder.cache / "rustup")
    if os.name != "nt":  # there, paths of more than 260 characters may not work
        environment["TMPDIR"] = str(temporary)
    return environment


def find_uv() -> str | None:
    """A uv on PATH that runs."""
    uv = shutil.which("uv")
    return uv if uv and answer_of([uv, "--version"]) else None


def answer_of(command: Sequence[str | Path]) -> str:
    """What a program prints; empty when it does not run or fails."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


# --- The steps ----------------------------------------------------------------------------------------------


def venv_is_usable(folder: Folder, uv: str | None) -> bool:
    """Whether `.venv` was made here, runs the same Python version as this one, and can be installed into."""
    if read_stamp(folder).get("folder") != str(folder.root):
        return False
    tell = "import sys; print(*sys.version_info[:2])" + ("" if uv else "; import pip")
    return answer_of([folder.program("python"), "-I", "-c", tell]) == "{} {}".format(*sys.version_info[:2])


def make_venv(runner: Runner, uv: str | None) -> None:
    """Make `.venv` anew.

    Raises:
        SetupError: no room, no venv module, or `.venv` is in use.
    """
    folder = runner.folder
    check(disk_problem(folder.root, shutil.disk_usage(str(folder.root)).free))
    if not uv:
        has_ensurepip = bool(importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"))
        check(venv_problem(has_ensurepip=has_ensurepip, on_debian=Path("/etc/debian_version").exists()))
    if os.name == "nt" and Path(sys.prefix) == folder.venv:
        raise SetupError("The folder .venv must be made anew and is in use: delete it and start again.")
    if folder.venv.is_symlink():
        folder.venv.unlink()
    elif folder.venv.exists():
        shutil.rmtree(str(folder.venv))
    maker = [uv, "venv", "--python", base_python()] if uv else [base_python(), "-I", "-m", "venv"]
    runner.logged([*maker, folder.venv], installer_environment(folder), "Making the folder .venv")


def install_packages(runner: Runner, uv: str | None) -> None:
    """Install the locked packages and nothing else: hashes compared, no unpinned build tools."""
    folder = runner.folder
    drop_half_installed(folder)
    environment = installer_environment(folder)
    lock_file = folder.root / "requirements.lock"
    build_tools = folder.cache / "build-tools.lock"
    build_tools.write_text(lock_entry(lock_file.read_text(encoding="utf-8"), "setuptools"), encoding="utf-8")
    for requirements in (build_tools, lock_file):
        command = [
            *install_command(folder, uv),
            "--no-build-isolation",
            "--require-hashes",
            "-r",
            str(requirements),
        ]
        runner.logged(command, environment, "Installing the Python packages")


def install_lab(runner: Runner, uv: str | None) -> None:
    """Install the lab's own package, editable, with the setuptools that is there."""
    command = [
        *install_command(runner.folder, uv),
        "--no-deps",
        "--no-build-isolation",
        "-e",
        str(runner.folder.root),
    ]
    runner.logged(command, installer_environment(runner.folder), "Installing the lab into .venv")


def install_command(folder: Folder, uv: str | None) -> list[str]:
    """The beginning of an install command."""
    python = str(folder.program("python"))
    if uv:
        return [uv, "pip", "install", "--python", python]
    return [python, "-I", "-m", "pip", "install", "--progress-bar", "off", "--use-pep517"]


def lock_entry(lock: str, package: str) -> str:
    """The lines of one package in the text of a lock file."""
    found = re.search(rf"^{re.escape(package)}==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    return found.group() if found else ""


def drop_half_installed(folder: Folder) -> None:
    """Forget packages whose install was killed, so that the installer does them again.

    The list of files with the installer's own note in it is the last thing that pip and uv write.
    """
    for info in folder.venv.glob("**/site-packages/*.dist-info"):
        record = info / "RECORD"
        if not record.is_file() or "/INSTALLER," not in record.read_text(encoding="utf-8", errors="replace"):
            shutil.rmtree(str(info))


def check(problem: str | None) -> None:
    """Raise a SetupError when there is a problem."""
    if problem:
        raise SetupError(problem)


def set_up(folder: Folder) -> int:
    """Do what is still to be done; the exit code.

    Raises:
        SetupError: a step failed.
    """
    check(python_problem(sys.version_info[:3]))
    if is_set_up(folder):
        return 0
    with locked(folder) as lock:
        return 0 if is_set_up(folder) else do_steps(Runner(folder, lock))


def do_steps(runner: Runner) -> int:
    """The five steps; each leaves what it made, so that the next set-up goes on from there."""
    folder = runner.folder
    started = time.monotonic()
    if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        say("No Java found (JAVA_HOME, PATH): the lab will try to bring its own in step 4.")
    uv = find_uv()
    stamp = current_stamp(folder)
    if not venv_is_usable(folder, uv):
        say(f"[1/5] Making .venv with Python {platform.python_version()} …")
        make_venv(runner, uv)
    write_stamp(folder, {"folder": stamp["folder"]})
    say("[2/5] Installing Python packages, about 2 minutes …")
    install_packages(runner, uv)
    say("[3/5] Installing the lab …")
    install_lab(runner, uv)
    say("[4/5] Java and jars …")
    code = runner.shown([folder.program("python"), "-m", "lab_utils.servers.jars"], own_environment())
    if code:
        return code
    say("[5/5] Class archives, with which Kafka and Spark start faster, about 1 minute …")
    runner.shown([folder.program("python"), "-m", "lab_utils.servers.class_archives"], own_environment())
    write_stamp(folder, stamp)
    shutil.rmtree(str(folder.cache), ignore_errors=True)
    say(f"Set up in {time.monotonic() - started:.0f} s.")
    return 0


def end(signal_number: int, _frame: object) -> NoReturn:
    """Let a closed terminal or a `kill` end the installers too."""
    raise SystemExit(128 + signal_number)


def main() -> int:
    """Set the lab up where this file lies; the exit code."""
    signal.signal(signal.SIGTERM, end)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, end)
    try:
        return set_up(Folder(Path(__file__).resolve().parent.parent))
    except SetupError as error:
        say(str(error))
    except OSError as error:
        say(f"Set-up stopped ({error}): repair that and start again to go on.")
    except KeyboardInterrupt:
        say("stopped; start again to go on")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
