"""Which Java is taken, and what is said when there is none. The Javas here only tell their version."""

import sys
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.servers import java

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a Java that is a shell script")


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Java; its folder of programs."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(java, "BROUGHT_ALONG", tmp_path / "brought along")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def install(home: Path, version: str, code: int = 0) -> Path:
    """Put a Java into `home`/bin; its path."""
    path = home / "bin" / "java"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-20' >&2\nexit {code}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("21", 21), ("21.0.7-ea", 21)])
def test_java_17_and_21_are_taken(tmp_path: Path, version: str, major: int) -> None:
    path = install(tmp_path, version)
    assert java.find_java() == java.Java(path, major)


@pytest.mark.parametrize(("version", "named"), [("1.8.0_432", 8), ("11.0.2", 11), ("23.0.1", 23), ("25", 25)])
def test_another_java_is_named_with_the_command_that_installs_a_fitting_one(
    tmp_path: Path, version: str, named: int
) -> None:
    path = install(tmp_path, version)
    with pytest.raises(LabError) as raised:
        java.find_java()
    assert f"found Java {named} at {path}" in raised.value.what
    assert java.install_command() in raised.value.repair


def test_no_java_is_a_sentence() -> None:
    with pytest.raises(LabError, match="found no Java in JAVA_HOME, PATH or conda"):
        java.find_java()


def test_java_home_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "17")
    home = install(tmp_path / "home", "21")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert java.find_java().executable == home


@pytest.mark.parametrize("version", [None, "11"])
def test_a_java_home_that_does_not_fit_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    if version:
        install(tmp_path / "home", version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    path = install(tmp_path, "17")
    assert java.find_java().executable == path


def test_a_java_that_does_not_run_is_none(tmp_path: Path) -> None:
    """As on macOS, where /usr/bin/java is there before any Java is installed."""
    install(tmp_path, "17", code=1)
    with pytest.raises(LabError, match="found no Java"):
        java.find_java()


@pytest.mark.parametrize("place", ["conda", "brought along/jdk-21"])
def test_the_java_of_conda_and_the_one_brought_along_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
    path = install(tmp_path / place, "21")
    assert java.find_java().executable == path


def test_the_home_of_a_linked_java_is_where_it_really_lies(tmp_path: Path, bare_machine: Path) -> None:
    real = install(tmp_path / "lib" / "jvm" / "java-17", "17")
    (bare_machine / "java").symlink_to(real)
    assert java.find_java().home == (tmp_path / "lib" / "jvm" / "java-17").resolve()


def test_a_download_that_fails_ends_with_the_command_that_installs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import jdk

    def fail(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(jdk, "install", fail)
    with pytest.raises(LabError, match="Install one with"):
        java.bring_java()
    assert "The download failed: no route to host" in capsys.readouterr().err


def test_a_launcher_is_asked_for_the_home_of_what_it_starts(tmp_path: Path) -> None:
    """As of jenv and asdf, or /usr/bin/java of macOS."""
    path = install(tmp_path, "17")
    path.write_text("#!/bin/sh\necho '    java.home = /opt/a java' >&2\necho 'openjdk version \"17.0.1\"' >&2\n")
    assert java.find_java().home == Path("/opt/a java")


def test_text_that_is_not_latin_is_escaped_as_properties_are() -> None:
    assert java.as_properties("log.dirs=/home/j\u00f6rg/\U0001f680") == "log.dirs=/home/j\\u00f6rg/\\ud83d\\ude80"
