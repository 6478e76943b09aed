"""The whole course is proved: `lab verify` on servers of its own, and what it must come to for each unit."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from lab_utils.settings import ROOT
from lab_utils.teaching.proof import MIN_KILLED
from lab_utils.teaching.units import find_units

UNITS = [unit.name for unit in find_units(ROOT / "course")]

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def proved() -> dict[str, dict[str, Any]]:
    """Unit → what `lab verify` found; one stack for all, as its start costs the most."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
    done = subprocess.run(
        [sys.executable, "-m", "lab_utils.cli", "verify", "--json"],
        env={**clean, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stdout, "lab verify printed nothing; its standard error is above"
    return {found["unit"]: found for found in json.loads(done.stdout)}


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_is_proved(unit: str, proved: dict[str, dict[str, Any]]) -> None:
    found = proved[unit]
    print(json.dumps(found, indent=2))
    assert found["problems"] == []
    assert found["wrong_caught"] == found["wrong"] >= 3 * found["exercises"] > 0
    assert found["alternatives_accepted"] == found["alternatives"] >= found["exercises"]
    assert found["mutants_killed"] >= MIN_KILLED * found["mutants"] > 0
