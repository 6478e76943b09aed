"""Class archives: what lets the JVMs of Kafka and Spark start in about half the time.

At each start Spark reads, checks and links some ten thousand classes. With class-data sharing a JVM maps them from a
file that an earlier one wrote at its end (JEP 350, since Java 13). The set-up runs a few ticks through the whole
pipeline for this. A file fits one Java and one set of jars and is named after them; without one all works as before.
"""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab_utils.servers.jars import class_path
from lab_utils.servers.java import Java, find_java
from lab_utils.settings import settings
from lab_utils.signals import end_on_sigterm_as_on_ctrl_c

NAMES = ("kafka", "spark")
TICKS = 50
WRITE_SECONDS = 120
"""How long a JVM may take to write its archive."""

_recording = False


def java_options(name: str, java: Java, *, writes: bool = True) -> list[str]:
    """What to start the JVM of `name` with, so that it uses its archive, or `writes` it while one is recorded."""
    archive = _archive(name, java)
    if _recording:
        if not writes:
            return []
        archive.parent.mkdir(parents=True, exist_ok=True)
        return [f"-XX:ArchiveClassesAtExit={_unfinished(archive)}", "-Xlog:disable"]
    # Without the second a JVM that the file does not fit says so on standard output.
    return [f"-XX:SharedArchiveFile={archive}", "-Xlog:disable"] if archive.is_file() else []


def _archive(name: str, java: Java) -> Path:
    """The file for this Java, these jars and this installation of pyspark."""
    built = (java.home / "lib" / "modules").stat()
    parts = (java.home, built.st_size, built.st_mtime_ns, class_path(name), sys.prefix)
    fitting = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]
    return settings().jars_dir / "classes" / f"{name}-{fitting}.jsa"


def _unfinished(archive: Path) -> Path:
    return archive.with_suffix(".new")


def _archives() -> list[Path]:
    """The files for the Java of this machine."""
    java = find_java()
    return [_archive(name, java) for name in NAMES]


def record() -> None:
    """Run some ticks through servers of their own, and let each JVM write its archive, unless all are there.

    Raises:
        LabError: a part of the pipeline did not run.
        OSError: this Java writes no archive, or there is no room for it.
    """
    from lab_utils.scratch import own_stack

    archives = _archives()
    if all(archive.is_file() for archive in archives):
        return
    with _recorded(), own_stack("recording"):
        _run_ticks()
    for archive in archives:
        # Renamed only when both servers have ended: a file that stands under its final name is whole.
        _unfinished(archive).replace(archive)


@contextmanager
def _recorded() -> Iterator[None]:
    global _recording  # noqa: PLW0603  # the JVMs are started in many places, all of them in this process
    _recording = True
    try:
        yield
    finally:
        _recording = False


def _run_ticks() -> None:
    import threading

    from lab_utils import kafka_utils
    from lab_utils.feeds.exchange.market import read_entries
    from lab_utils.feeds.exchange.server import SAMPLES
    from lab_utils.streaming import pipeline
    from lab_utils.streaming.session import get_spark

    producer = kafka_utils.make_producer()
    for entry in read_entries(SAMPLES)[:TICKS]:
        producer.send(entry.asset.topic, key=entry.symbol.encode(), value=entry.raw)
    producer.close()
    spark = get_spark("recording")
    jvm = spark.sparkContext._gateway.proc  # type: ignore[union-attr]
    pipeline.run(spark, threading.Event(), once=True)
    spark.stop()
    jvm.stdin.close()  # at this a JVM of pyspark ends
    jvm.wait(WRITE_SECONDS)


def main() -> int:
    """Record what is missing. It is a saving, no need: a failure is told and no more."""
    end_on_sigterm_as_on_ctrl_c()  # as the set-up ends it: its servers are in sessions of their own
    try:
        record()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(f"Spark and Kafka will start more slowly: {error}", file=sys.stderr)
    return 0


def seconds_to_end(usual: float) -> float:
    """How long a server may take to end: longer while it writes its archive."""
    return WRITE_SECONDS if _recording else usual


if __name__ == "__main__":
    # As `__main__` this is another module than the one that the servers import.
    from lab_utils.servers import class_archives  # noqa: PLW0406

    sys.exit(class_archives.main())
