"""The three lists of packages (pyproject.toml, requirements.lock, environment.yml) must agree."""

import functools
import re
import tomllib
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from lab_utils.settings import ROOT

PYTHON_3_12 = {
    "python_version": "3.12",
    "python_full_version": "3.12.12",
    "sys_platform": "linux",
    "os_name": "posix",
}
ON_WINDOWS = PYTHON_3_12 | {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"}


@functools.cache
def lock_text() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def lock_entries() -> dict[Requirement, str]:
    """Each requirement of the lock file with its lines."""
    entries = re.findall(r"^(?:.*\\\n)*.*$", re.sub(r"^#.*\n", "", lock_text(), flags=re.MULTILINE), re.MULTILINE)
    return {Requirement(entry.split("\\\n")[0]): entry for entry in entries if entry.strip()}


def locked(system: dict[str, str]) -> dict[str, str]:
    """The pins that count on a system, as `{"plotly": "==6.9.0"}`."""
    counting = [entry for entry in lock_entries() if not entry.marker or entry.marker.evaluate(system)]
    return {entry.name: str(entry.specifier) for entry in counting}


def direct_dependencies() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["test"]]


def conda() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    return loaded


def conda_pins() -> dict[str, str]:
    listed = next(part["pip"] for part in conda()["dependencies"] if isinstance(part, dict))
    pins = [Requirement(text) for text in listed if text != "-e ."]
    return {pin.name: str(pin.specifier) for pin in pins}


def test_conda_installs_the_locked_versions() -> None:
    assert conda_pins() == {name: pin for name, pin in locked(PYTHON_3_12).items() if name in conda_pins()}


def test_conda_lists_the_direct_dependencies_and_the_lab() -> None:
    assert list(conda_pins()) == [dependency.name for dependency in direct_dependencies()]
    assert conda()["dependencies"][-1]["pip"][-1] == "-e ."


def test_conda_brings_python_and_java() -> None:
    assert conda()["name"] == "market-stream-lab"
    assert conda()["channels"] == ["conda-forge"]
    assert conda()["dependencies"][:3] == ["python=3.12", "openjdk=17", "pip"]


@pytest.mark.parametrize("system", [PYTHON_3_12, ON_WINDOWS], ids=["linux", "windows"])
def test_the_lock_has_a_fitting_version_of_each_direct_dependency(system: dict[str, str]) -> None:
    pins = locked(system)
    for dependency in direct_dependencies():
        version = pins[dependency.name].removeprefix("==")
        assert dependency.specifier.contains(version), f"{dependency} but the lock has {version}"


def test_every_entry_of_the_lock_has_a_pin_and_hashes() -> None:
    assert len(lock_entries()) > 100
    for entry, lines in lock_entries().items():
        assert re.fullmatch(r"==[^,*]+", str(entry.specifier)), f"{entry} is not pinned"
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", lines), f"{entry} has no hash"


def test_the_lock_names_no_url() -> None:
    """Does every user's own package index serve it?"""
    assert "://" not in lock_text()
    assert not re.search(r"^\s*--(?!hash)", lock_text(), re.MULTILINE)


def test_pyspark_and_its_connector_have_one_version_everywhere() -> None:
    pyproject = next(str(each.specifier) for each in direct_dependencies() if each.name == "pyspark")
    jars = (ROOT / "lab_utils/servers/jars.lock").read_text(encoding="utf-8")
    connector = re.findall(r"spark-sql-kafka-0-10_2\.13:(\S+)", jars)
    assert {
        pyproject,
        locked(PYTHON_3_12)["pyspark"],
        conda_pins()["pyspark"],
        *(f"=={v}" for v in connector),
    } == {pyproject}
    assert connector
