"""Find a Java that Spark 4.2 and Kafka 4.1 run on: 17 or 21."""

import dataclasses
import functools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.servers.processes import LOG_SETTINGS, run_apart
from lab_utils.settings import ROOT

SUPPORTED = (17, 21)
"""Java 23 and newer have no security manager, which Hadoop's login still asks for (apache/hadoop#7434)."""

QUICK_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
"""For every JVM of the lab: they share few cores, and what the second compiler costs it repays late."""

FOR_EVERY_JVM = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
"""Variables that each JVM adds to its options. The download of the jars needs them, for a proxy."""

BROUGHT_ALONG = ROOT / ".lab" / "java"


@dataclasses.dataclass(frozen=True)
class Java:
    """A Java that can be run."""

    executable: Path
    major: int

    @property
    def home(self) -> Path:
        """What `JAVA_HOME` must be for this Java."""
        return _home_of(self.executable)

    def server_command(self, heap_mb: int, log_file: Path) -> list[str]:
        """How the command of a server begins: small and quick to start, its log in this file."""
        return [
            str(self.executable),
            f"-Xmx{heap_mb}m",
            *QUICK_START,
            f"-Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()}",
            f"-Dlab.log={log_file}",
        ]


@functools.cache
def _home_of(executable: Path) -> Path:
    home = executable.resolve().parent.parent
    if (home / "lib" / "modules").is_file():
        return home
    # A program that only starts another one: of jenv or asdf, macOS's /usr/bin/java, Oracle's javapath.
    shown = run_apart([executable, "-XshowSettings:properties", "-version"], seconds=30, env=environment())
    named = re.search(r"^ *java\.home = (.+)$", shown.stderr, re.MULTILINE)
    return Path(named.group(1).strip()) if named else home


def environment() -> dict[str, str]:
    """For a JVM of the lab: what the user has set for every JVM may not fit with its options, or open a port twice."""
    return {name: value for name, value in os.environ.items() if name not in FOR_EVERY_JVM}


def as_properties(text: str) -> str:
    """The text of a properties file: Java takes its bytes for Latin-1 (`Properties.load`), the lab's folder may be anywhere."""
    return re.sub(r"[^\x00-\x7f]+", lambda found: json.dumps(found[0])[1:-1], text)


def _candidates() -> Iterator[Path]:
    name = "java.exe" if os.name == "nt" else "java"
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / name
    if on_path := shutil.which("java"):
        yield Path(on_path)
    for prefix in filter(None, (os.environ.get("CONDA_PREFIX"), sys.prefix)):
        yield Path(prefix) / "bin" / name
        yield Path(prefix) / "lib" / "jvm" / "bin" / name
        yield Path(prefix) / "Library" / "bin" / name
    yield from sorted(BROUGHT_ALONG.glob(f"*/bin/{name}"))
    yield from sorted(BROUGHT_ALONG.glob(f"*/Contents/Home/bin/{name}"))


def _major(executable: Path) -> int | None:
    try:
        shown = run_apart([executable, "-version"], seconds=30, env=environment())
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', shown.stderr)
    return int(found.group(1)) if found and shown.returncode == 0 else None


def find_java() -> Java:
    """The first Java 17 or 21 of `JAVA_HOME`, `PATH`, the conda environment and `.lab/java`.

    Raises:
        LabError: there is none; the text names the ones that were found and do not fit.
    """
    unfit: dict[Path, int] = {}
    for executable in _candidates():
        major = _major(executable) if executable.is_file() else None
        if major in SUPPORTED:
            return Java(executable, major)
        if major is not None:
            unfit[executable] = major
    found = ", ".join(f"Java {major} at {path}" for path, major in unfit.items())
    raise LabError(
        f"The lab needs Java 17 or 21 and found {found or 'no Java in JAVA_HOME, PATH or conda'}.",
        f"Install one with: {install_command()}, or set JAVA_HOME to one you have.",
    )


def install_command() -> str:
    """The one command that installs a fitting Java on this system."""
    if platform.system() == "Darwin":
        return "brew install --cask temurin@21"  # the formula openjdk@21 is put where nothing looks for a Java
    if platform.system() == "Windows":
        return "winget install EclipseAdoptium.Temurin.21.JRE"
    if os.environ.get("CONDA_PREFIX"):
        return "conda install -c conda-forge openjdk=21"
    sudo = "" if os.geteuid() == 0 else "sudo "
    if shutil.which("dnf"):
        return f"{sudo}dnf install -y java-21-openjdk-headless"
    if shutil.which("pacman"):
        return f"{sudo}pacman -S jre21-openjdk-headless"
    major = 17 if "bookworm" in _os_release() else 21
    return f"{sudo}apt-get install -y openjdk-{major}-jre-headless"


def _os_release() -> str:
    try:
        return Path("/etc/os-release").read_text()
    except OSError:
        return ""


def bring_java() -> Java:
    """Find a Java, or else download one into `.lab/java` with the `install-jdk` package.

    Raises:
        LabError: there is none and none could be downloaded.
    """
    try:
        return find_java()
    except LabError as missing:
        import jdk

        print("No Java 17 or 21 found: trying to download one into .lab/java", file=sys.stderr)
        try:
            jdk.install("21", path=str(BROUGHT_ALONG), jre=True)
        except Exception as error:  # install-jdk raises whatever urllib, tarfile and zipfile raise
            print(f"The download failed: {error}", file=sys.stderr)
            raise missing from None
        return find_java()
