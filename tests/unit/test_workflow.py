"""The workflow of GitHub Actions fits the lab: it has never run, so what can be read is compared."""

import tomllib
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from lab_utils.bootstrap import OLDEST_PYTHON
from lab_utils.servers.java import SUPPORTED
from lab_utils.settings import ROOT


def job() -> dict[str, Any]:
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = workflow["jobs"]["tests"]
    return found


def steps_using(action: str) -> list[dict[str, Any]]:
    return [step for step in job()["steps"] if step.get("uses", "").startswith(f"actions/{action}@")]


def test_the_matrix_has_the_oldest_python_and_none_that_the_lab_refuses() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    fits = SpecifierSet(project["requires-python"])
    pythons = job()["strategy"]["matrix"]["python"]
    assert all(isinstance(python, str) and fits.contains(f"{python}.0") for python in pythons)
    assert pythons[0] == ".".join(map(str, OLDEST_PYTHON))
    assert len(set(pythons)) == len(pythons)


def test_each_python_meets_each_system() -> None:
    assert {name.split("-")[0] for name in job()["strategy"]["matrix"]["os"]} == {"ubuntu", "macos", "windows"}
    assert job()["runs-on"] == "${{ matrix.os }}"
    (python,) = steps_using("setup-python")
    assert python["with"]["python-version"] == "${{ matrix.python }}"
    assert job()["env"]["PY_PYTHON3"] == "${{ matrix.python }}"


def test_it_brings_a_java_that_the_lab_runs_on() -> None:
    (java,) = steps_using("setup-java")
    assert int(java["with"]["java-version"]) in SUPPORTED


@pytest.mark.parametrize(
    ("system", "script"), [("Linux", "./run_tests.sh"), ("macOS", "./run_tests.sh"), ("Windows", "run_tests.bat")]
)
def test_each_system_calls_the_script_that_everybody_runs(system: str, script: str) -> None:
    (step,) = [step for step in job()["steps"] if step.get("if") == f"runner.os == '{system}'"]
    called, *options = step["run"].split()
    assert called == script
    assert (ROOT / called).is_file()
    ignored = [option for option in options if not option.startswith("--")]
    assert all((ROOT / path).is_dir() for path in ignored)
