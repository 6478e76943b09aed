"""The lock file of jars, and that only the pinned bytes are taken."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.servers import jars
from lab_utils.settings import ROOT


@pytest.fixture
def jars_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_JARS_DIR", str(tmp_path))
    return tmp_path


def lines() -> list[str]:
    return [line for line in jars.LOCK_FILE.read_text().splitlines() if not line.startswith("#")]


def version_of(artifact: str, set_name: str) -> str:
    found = [
        jar.coordinate
        for jar in jars.locked_jars()
        if jar.set_name == set_name and jar.coordinate.split(":")[1] == artifact
    ]
    assert len(found) == 1
    return found[0].split(":")[2]


def test_each_line_is_a_set_a_sha_256_and_a_coordinate() -> None:
    assert len(lines()) > 40
    for line in lines():
        assert re.fullmatch(r"(kafka|kafka_zookeeper|spark) [0-9a-f]{64} [\w.-]+:[\w.-]+:[\w.-]+", line), line


def test_no_jar_is_listed_twice() -> None:
    paths = [jar.path for jar in jars.locked_jars()]
    assert len(paths) == len(set(paths))


def test_every_root_is_locked() -> None:
    locked = {(jar.set_name, jar.coordinate) for jar in jars.locked_jars()}
    assert {(name, root) for name, roots in jars.ROOTS.items() for root in roots} <= locked


def test_the_connector_goes_with_the_locked_pyspark() -> None:
    packages = (ROOT / "requirements.lock").read_text()
    pyspark = re.findall(r"^pyspark==(\S+)", packages, re.MULTILINE)
    assert pyspark == [jars.PYSPARK_VERSION] == [version_of("spark-sql-kafka-0-10_2.13", "spark")]
    assert version_of("spark-token-provider-kafka-0-10_2.13", "spark") == jars.PYSPARK_VERSION


@pytest.mark.parametrize(("set_name", "line"), [("kafka", "4."), ("kafka_zookeeper", "3.9.")])
def test_the_broker_and_its_own_libraries_have_one_version(set_name: str, line: str) -> None:
    own = {
        jar.coordinate.split(":")[2]
        for jar in jars.locked_jars()
        if jar.set_name == set_name and jar.coordinate.startswith("org.apache.kafka:")
    }
    assert own == {version_of("kafka_2.13", set_name)}
    assert own.pop().startswith(line)


def test_everything_is_built_for_one_scala() -> None:
    scalas = {found for line in lines() for found in re.findall(r"_(2\.\d+|3):", line)}
    assert scalas == {"2.13"}


def test_a_jar_lies_in_the_folder_of_its_set(jars_dir: Path) -> None:
    jar = jars.Jar("spark", "0" * 64, "org.postgresql:postgresql:42.7.14")
    assert jar.path == jars_dir / "spark" / "postgresql-42.7.14.jar"


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> jars.Jar:
    """Let any download bring `content`; the jar that is pinned."""

    def resolve(coordinates: Iterable[str], folder: Path, *, transitive: bool) -> None:
        assert not transitive
        for coordinate in coordinates:
            if content is not None:
                (folder / f"{coordinate.replace(':', '#')}.jar").write_bytes(content)

    monkeypatch.setattr(jars, "_resolve", resolve)
    pinned = jars.Jar("kafka", hashlib.sha256(b"the pinned bytes").hexdigest(), "org.example:thing:1.0")
    monkeypatch.setattr(jars, "locked_jars", lambda: [pinned])
    return pinned


def test_the_pinned_jar_is_put_in_its_place(jars_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = serve(monkeypatch, b"the pinned bytes")
    jars.fetch_jars()
    assert pinned.path.read_bytes() == b"the pinned bytes"
    assert jars.missing_jars() == []


@pytest.mark.parametrize("content", [b"other bytes", b"", None])
def test_a_jar_that_differs_from_the_lock_is_refused_and_not_kept(
    jars_dir: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    pinned = serve(monkeypatch, content)
    with pytest.raises(LabError, match=r"The download of org\.example:thing:1\.0 is not the pinned file"):
        jars.fetch_jars()
    assert not pinned.path.exists()
    assert list(jars_dir.rglob("*.jar")) == []


def test_jars_that_are_there_are_not_asked_for_again(jars_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = serve(monkeypatch, None)
    pinned.path.parent.mkdir()
    pinned.path.write_bytes(b"the pinned bytes")
    jars.fetch_jars()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LAB_JARS_DIR", str(tmp_path / "file" / "jars"))
    serve(monkeypatch, b"the pinned bytes")
    with pytest.raises(LabError, match="cannot be written"):
        jars.fetch_jars()
