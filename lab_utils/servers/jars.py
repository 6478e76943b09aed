"""The jars of the Kafka broker and of Spark's Kafka connector, pinned in `jars.lock`.

They are resolved with Apache Ivy, which pyspark ships, so that no Maven, tarball or Docker image is needed.
`lab up` asks for them; `python -m lab_utils.servers.jars` fetches them at set-up, and with `--lock` it resolves
the roots below again and rewrites the lock file.
"""

import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

from filelock import FileLock

from lab_utils.errors import LabError
from lab_utils.servers.java import bring_java
from lab_utils.servers.profiles import Profile, active
from lab_utils.settings import settings

PYSPARK_VERSION = "4.2.0"
"""The connector carries the same number, and Spark 4 is built for Scala 2.13 only."""

ROOTS = {
    "kafka": (
        "org.apache.kafka:kafka_2.13:4.1.1",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",  # without a backend the broker logs nothing
    ),
    "kafka_zookeeper": (
        "org.apache.kafka:kafka_2.13:3.9.2",  # the last line that can do without KRaft
        "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
    ),
    "spark": (
        f"org.apache.spark:spark-sql-kafka-0-10_2.13:{PYSPARK_VERSION}",
        "org.postgresql:postgresql:42.7.14",
    ),
}
LOCK_FILE = Path(__file__).with_name("jars.lock")


@dataclasses.dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    set_name: str
    sha256: str
    coordinate: str
    """`group:artifact:version`"""

    @property
    def path(self) -> Path:
        """Where the jar lies once it is fetched."""
        _, artifact, version = self.coordinate.split(":")
        return settings().jars_dir / self.set_name / f"{artifact}-{version}.jar"


def locked_jars() -> list[Jar]:
    """All jars of the lock file."""
    lines = LOCK_FILE.read_text().splitlines()
    return [Jar(*line.split()) for line in lines if line and not line.startswith("#")]


def class_path(set_name: str) -> str:
    """The jars of one set, joined for `java -cp`."""
    return os.pathsep.join(str(jar.path) for jar in locked_jars() if jar.set_name == set_name)


def spark_jars() -> str:
    """The jars for `spark.jars`."""
    return ",".join(str(jar.path) for jar in locked_jars() if jar.set_name == "spark")


def fetch_jars() -> None:
    """Download the jars that are not there yet and compare each with its SHA-256.

    Raises:
        LabError: no internet, or a jar is not the one that was pinned.
    """
    if not missing_jars():
        return
    try:
        settings().jars_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(
            f"{settings().jars_dir} cannot be written by this user ({error.strerror}).",
            "Give that folder to yourself, or set LAB_JARS_DIR in .env to another one.",
        ) from None
    with FileLock(settings().jars_dir / "fetch.lock"):
        for set_name in ROOTS:
            wanted = [jar for jar in missing_jars() if jar.set_name == set_name]
            if wanted:
                print(f"Downloading {len(wanted)} jars for {set_name} …", file=sys.stderr, flush=True)
                _fetch(set_name, wanted)


def wanted_jars() -> list[Jar]:
    """The pinned jars that this lab needs: Kafka with ZooKeeper is there for the profile of that name alone."""
    with_zookeeper = active() is Profile.zookeeper
    return [jar for jar in locked_jars() if with_zookeeper or jar.set_name != "kafka_zookeeper"]


def missing_jars() -> list[Jar]:
    """The wanted jars that are not in the jars folder."""
    return [jar for jar in wanted_jars() if not jar.path.is_file()]


def _fetch(set_name: str, wanted: list[Jar]) -> None:
    with tempfile.TemporaryDirectory(dir=settings().jars_dir, prefix="new-") as folder:
        _resolve((jar.coordinate for jar in wanted), Path(folder), transitive=False)
        target = settings().jars_dir / set_name
        target.mkdir(exist_ok=True)
        for jar in wanted:
            fetched = Path(folder) / f"{jar.coordinate.replace(':', '#')}.jar"
            if not fetched.is_file() or sha256(fetched) != jar.sha256:
                raise LabError(
                    f"The download of {jar.coordinate} is not the pinned file.",
                    "Run the command again; if it stays so, your mirror serves another file under this name.",
                )
            # Renamed only when verified: whatever stands under its final name can be trusted.
            fetched.replace(jar.path)


def spark_home() -> Path:
    """The folder of the Spark that the pip package pyspark is."""
    import pyspark

    return Path(pyspark.__file__).parent


def _resolve(coordinates: Iterable[str], folder: Path, *, transitive: bool) -> None:
    """Let Ivy retrieve `coordinates` into `folder` as `group#artifact#version.jar`."""
    java = bring_java()
    cache = settings().jars_dir / "ivy"
    ivy_file = folder / "ivy.xml"
    ivy_file.write_text(_ivy_xml(coordinates, transitive=transitive))
    command = [
        str(java.executable),
        f"-Divy.default.ivy.user.dir={cache}",
        "-XX:-UsePerfData",
        *("-cp", str(spark_home() / "jars" / "*")),
        "org.apache.ivy.Main",
        *("-ivy", str(ivy_file), "-cache", str(cache), "-confs", "default"),
        *("-retrieve", str(folder / "[organisation]#[artifact]#[revision].[ext]")),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ivy:
        output = list(_show_downloads(ivy.stdout or ()))
    shutil.rmtree(cache, ignore_errors=True)
    if ivy.returncode:
        reason = next((line.strip(": \t") for line in output if "not found" in line), f"exit {ivy.returncode}")
        raise LabError(
            f"The jars could not be downloaded from Maven Central ({reason}).",
            "Check the internet connection and run the same command again.",
        )


def _show_downloads(lines: Iterable[str]) -> Iterator[str]:
    """Pass Ivy's output on and show on standard error how many files have come."""
    count = 0
    for line in lines:
        if "[SUCCESSFUL" in line and ".jar" in line:
            count += 1
            if sys.stderr.isatty():
                print(f"\r  {count} jars", end="", file=sys.stderr, flush=True)
        yield line.rstrip("\n")
    print(f"\r  {count} jars came", file=sys.stderr)


def _ivy_xml(coordinates: Iterable[str], *, transitive: bool) -> str:
    lines = [
        '<ivy-module version="2.0"><info organisation="market-stream-lab" module="jars"/>',
        '<configurations><conf name="default"/></configurations><dependencies>',
    ]
    for coordinate in coordinates:
        group, artifact, version = (quoteattr(part) for part in coordinate.split(":"))
        lines.append(
            f"<dependency org={group} name={artifact} rev={version} "
            f'transitive="{str(transitive).lower()}" conf="default->default"/>'
        )
    return "\n".join([*lines, "</dependencies></ivy-module>"])


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_lock() -> None:
    """Resolve `ROOTS` anew and write the lock file."""
    shipped = {path.name for path in (spark_home() / "jars").glob("*.jar")}
    lines = ["# Made by: python -m lab_utils.servers.jars --lock", "# set  SHA-256  group:artifact:version"]
    for set_name, roots in ROOTS.items():
        with tempfile.TemporaryDirectory() as folder:
            _resolve(roots, Path(folder), transitive=True)
            for jar in sorted(Path(folder).glob("*.jar")):
                group, artifact, version = jar.name.removesuffix(".jar").split("#")
                if set_name == "spark" and f"{artifact}-{version}.jar" in shipped:
                    continue
                lines.append(f"{set_name} {sha256(jar)} {group}:{artifact}:{version}")
    LOCK_FILE.write_text("\n".join(lines) + "\n")


def main() -> int:
    """Fetch the jars (or write the lock file); the exit code."""
    try:
        write_lock() if sys.argv[1:] == ["--lock"] else fetch_jars()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
