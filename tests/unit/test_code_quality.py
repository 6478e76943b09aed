"""The linter, the formatter and the type checker are tests like any other."""

import subprocess
import sys

import pytest

from lab_utils.settings import ROOT


@pytest.mark.parametrize("tool", ["ruff check", "ruff format --check --diff", "mypy"])
def test_the_code_passes(tool: str) -> None:
    command = [sys.executable, "-m", *tool.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, f"{tool}:\n{done.stdout}{done.stderr}"
